{{/*
Combinations that no schema can refuse, each with a sentence. Included once, by the StatefulSet.
*/}}
{{- define "quorate.validate" -}}
{{- include "quorate.validate.replica" . -}}
{{- include "quorate.validate.coordinator" . -}}
{{- include "quorate.validate.service" . -}}
{{- range $component := list "replica" "coordinator" -}}
{{- include "quorate.validate.pods" (dict "root" $ "component" $component "role" (index $.Values $component)) -}}
{{- end -}}
{{- include "quorate.validate.labels" (dict "labels" .Values.commonLabels "where" "commonLabels") -}}
{{- include "quorate.validate.claims" . -}}
{{- end -}}

{{- define "quorate.validate.replica" -}}
{{- if eq .Values.persistence.retention.whenScaled "Delete" -}}
{{- fail "persistence.retention.whenScaled must be Retain: Kubernetes deletes pods before Quorate has moved their data, and a volume that goes with them may be one of a majority. Delete claims by hand once `quorate status` shows a config without them." -}}
{{- end -}}
{{- $replicas := .Values.replica.replicas -}}
{{- $minimum := int .Values.replica.minReplicas -}}
{{- if not (kindIs "invalid" $replicas) -}}
{{- if lt (int $replicas) $minimum -}}
{{- fail (printf "replica.replicas (%d) is less than replica.minReplicas (%d), so it would not be adopted: lower replica.minReplicas too. A store is stopped by `kubectl scale --replicas=0`." (int $replicas) $minimum) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "quorate.validate.coordinator" -}}
{{- $coordinator := .Values.coordinator -}}
{{- $scaling := $coordinator.autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail (printf "coordinator.autoscaling.minReplicas (%d) is more than maxReplicas (%d)." (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- if and $scaling.enabled (not (dig "requests" "cpu" "" $coordinator.resources)) -}}
{{- fail "coordinator.autoscaling needs coordinator.resources.requests.cpu: it aims at a share of what is requested." -}}
{{- end -}}
{{- $budget := $coordinator.podDisruptionBudget -}}
{{- $has := list -}}
{{- range list "maxUnavailable" "minAvailable" -}}
{{- if not (kindIs "invalid" (index $budget .)) -}}{{- $has = append $has . -}}{{- end -}}
{{- end -}}
{{- if and $budget.enabled (ne (len $has) 1) -}}
{{- fail "coordinator.podDisruptionBudget takes exactly one of maxUnavailable and minAvailable: set the other to null." -}}
{{- end -}}
{{- $needed := add (int $coordinator.shutdownDelaySeconds) (int $coordinator.shutdownLimitSeconds) 2 | int -}}
{{- if le (int $coordinator.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "coordinator.terminationGracePeriodSeconds (%d) must be more than shutdownDelaySeconds, shutdownLimitSeconds and 2 together (%d), or calls in flight are killed." (int $coordinator.terminationGracePeriodSeconds) $needed) -}}
{{- end -}}
{{- if and $coordinator.rbac.create (not $coordinator.serviceAccount.create) (not $coordinator.serviceAccount.name) -}}
{{- fail "coordinator.serviceAccount.create is false, so coordinator.serviceAccount.name must name the account that the Role is bound to." -}}
{{- end -}}
{{- end -}}

{{- define "quorate.validate.service" -}}
{{- $service := .Values.service -}}
{{- if and (eq $service.type "ClusterIP") (not (kindIs "invalid" $service.nodePort)) -}}
{{- fail "service.nodePort needs service.type NodePort or LoadBalancer." -}}
{{- end -}}
{{- if and $service.loadBalancerSourceRanges (ne $service.type "LoadBalancer") -}}
{{- fail "service.loadBalancerSourceRanges needs service.type LoadBalancer." -}}
{{- end -}}
{{- if and (eq .Values.ipFamilies.policy "SingleStack") (gt (len .Values.ipFamilies.order) 1) -}}
{{- fail "ipFamilies.policy SingleStack takes one family in ipFamilies.order." -}}
{{- end -}}
{{- end -}}

{{/* Names of the variables that the chart sets, or that would make it lie. */}}
{{- define "quorate.ownVariables.replica" -}}
QUORATE_REPLICA_LISTEN QUORATE_ADMIN_LISTEN QUORATE_POD QUORATE_DATA_DIR QUORATE_REQUIRE_ADMISSION QUORATE_INSTANCE_DIR QUORATE_LOG QUORATE_LOG_FORMAT QUORATE_WORKER_THREADS QUORATE_DISK_RESERVE QUORATE_CACHE_SIZE OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER_ARG
{{- end -}}
{{- define "quorate.ownVariables.coordinator" -}}
QUORATE_LISTEN QUORATE_ADMIN_LISTEN QUORATE_KUBERNETES QUORATE_NAMESPACE QUORATE_STATEFULSET QUORATE_SERVICE QUORATE_CONFIG_MAP QUORATE_BOOT_CONFIG_MAP QUORATE_LEASE QUORATE_BOOTSTRAP QUORATE_POD_NAME QUORATE_MIN_REPLICAS QUORATE_SWAP_DELAY QUORATE_SHUTDOWN_DELAY QUORATE_SHUTDOWN_LIMIT QUORATE_LOG QUORATE_LOG_FORMAT QUORATE_WORKER_THREADS QUORATE_MAX_VALUE_SIZE QUORATE_MAX_IN_FLIGHT QUORATE_MAX_BYTES_IN_FLIGHT QUORATE_DEFAULT_TIMEOUT QUORATE_MAX_CONNECTION_AGE QUORATE_REPLICAS QUORATE_CONFIG_FILE OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER_ARG
{{- end -}}

{{- define "quorate.validate.pods" -}}
{{- $own := splitList " " (include (printf "quorate.ownVariables.%s" .component) .) -}}
{{- $component := .component -}}
{{- range .role.env -}}
{{- if has .name $own -}}
{{- fail (printf "%s.env sets %s, which the chart sets itself." $component .name) -}}
{{- end -}}
{{- end -}}
{{- include "quorate.validate.labels" (dict "labels" .role.podLabels "where" (printf "%s.podLabels" .component)) -}}
{{- end -}}

{{- define "quorate.validate.labels" -}}
{{- $where := .where -}}
{{- range $name, $_ := .labels -}}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (hasPrefix "helm.sh/" $name) -}}
{{- fail (printf "%s sets %s, which belongs to the chart: selectors and tools rely on it." $where $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What a StatefulSet does not let anybody change is compared with the live one: the API's own refusal names neither the
value nor what to do.
*/}}
{{- define "quorate.validate.claims" -}}
{{- $live := include "quorate.replica.live" . | fromJson -}}
{{- range dig "spec" "volumeClaimTemplates" list $live -}}
{{- if eq .metadata.name "data" -}}
{{- $size := dig "spec" "resources" "requests" "storage" "" . -}}
{{- if ne $size $.Values.persistence.size -}}
{{- fail (printf "persistence.size is %s, but the claims of the live StatefulSet ask for %s, which Kubernetes never changes by itself: see \"Grow the volumes\" in docs/operations.md." $.Values.persistence.size $size) -}}
{{- end -}}
{{- $class := dig "spec" "storageClassName" "" . -}}
{{- $wanted := $.Values.persistence.storageClass | trimAll "-" -}}
{{- if ne $class $wanted -}}
{{- fail (printf "persistence.storageClass is %q, but the live StatefulSet has %q, which Kubernetes never changes: see \"Move to another storage class\" in docs/operations.md." $wanted $class) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
