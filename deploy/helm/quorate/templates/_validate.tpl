{{/*
Combinations that no schema can refuse, each with a sentence. Included once, by the StatefulSet.
*/}}
{{- define "quorate.validate" -}}
{{- include "quorate.validate.name" . -}}
{{- include "quorate.validate.replica" . -}}
{{- include "quorate.validate.coordinator" . -}}
{{- include "quorate.validate.service" . -}}
{{- range $component := list "replica" "coordinator" -}}
{{- include "quorate.validate.pods" (dict "root" $ "component" $component "role" (index $.Values $component)) -}}
{{- end -}}
{{- include "quorate.validate.labels" (dict "labels" .Values.commonLabels "where" "commonLabels") -}}
{{- include "quorate.validate.claims" . -}}
{{- include "quorate.validate.store" . -}}
{{- end -}}

{{/* Helm would refuse it too, and say nothing of names. */}}
{{- define "quorate.validate.name" -}}
{{- $other := dig "metadata" "labels" "app.kubernetes.io/instance" "" (include "quorate.replica.live" . | fromJson) -}}
{{- if and $other (ne $other .Release.Name) -}}
{{- fail (printf "StatefulSet %s belongs to the release %s: names are made from the first characters of a release's name, 32 at least, and are the same for both. Set fullnameOverride." (include "quorate.replica.name" .) $other) -}}
{{- end -}}
{{- end -}}

{{/*
A store that is here without a StatefulSet: after an uninstall, or `kubectl delete statefulset`. Fewer pods than members, or no
disk of any, and it would have no majority.
*/}}
{{- define "quorate.validate.store" -}}
{{- $pods := include "quorate.replica.left" . | fromJsonArray -}}
{{- $config := include "quorate.config.name" . -}}
{{- $left := include "quorate.replica.sizeLeft" . | int -}}
{{- $size := include "quorate.replica.size" . | int -}}
{{- if lt $size $left -}}
{{- fail (printf "replica.replicas is %d, but the store that is here, of which ConfigMap %s tells, needs %d: with fewer pods its members may have no majority. Say --set replica.replicas=%d, and then scale it: kubectl -n %s scale statefulset %s --replicas=%d" $size $config $left $left .Release.Namespace (include "quorate.replica.name" .) $size) -}}
{{- end -}}
{{- $there := 0 -}}
{{- range $pods -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" $.Release.Namespace (printf "data-%s" .) -}}
{{- if and $claim (not (dig "metadata" "deletionTimestamp" "" $claim)) -}}{{- $there = add1 $there -}}{{- end -}}
{{- end -}}
{{- if and $pods (not $there) -}}
{{- fail (printf "ConfigMap %s tells of a store of %d members, but none of their volumes (data-%s and so on) is there any more, so it would never answer. Bring them back, or begin with an empty store: kubectl -n %s delete configmap %s %s --ignore-not-found" $config (len $pods) (first $pods) .Release.Namespace $config (include "quorate.boots.name" .)) -}}
{{- end -}}
{{- end -}}

{{- define "quorate.validate.replica" -}}
{{- if eq .Values.persistence.retention.whenScaled "Delete" -}}
{{- fail "persistence.retention.whenScaled must be Retain: Kubernetes deletes pods before Quorate has moved their data, and a volume that goes with them may be one of a majority. Delete claims by hand once `quorate status` shows a config without them." -}}
{{- end -}}
{{- include "quorate.validate.memory" (dict "component" "replica" "role" .Values.replica "name" "cacheSize" "value" .Values.replica.cacheSize) -}}
{{- include "quorate.validate.budget" (dict "component" "replica" "budget" .Values.replica.podDisruptionBudget) -}}
{{- $replicas := .Values.replica.replicas -}}
{{- $minimum := int .Values.replica.minReplicas -}}
{{- if not (kindIs "invalid" $replicas) -}}
{{- if lt (int $replicas) $minimum -}}
{{- fail (printf "replica.replicas (%d) is less than replica.minReplicas (%d), so it would not be adopted: lower replica.minReplicas too. A store is stopped by `kubectl scale --replicas=0`." (int $replicas) $minimum) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A number of bytes, as a program or as Kubernetes is told it: 64MiB, 1Gi, 1e9. */}}
{{- define "quorate.bytes" -}}
{{- $units := dict "" 1 "B" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024 "KiB" 1024 "Mi" 1048576 "MiB" 1048576 "Gi" 1073741824 "GiB" 1073741824 "Ti" 1099511627776 "TiB" 1099511627776 "Pi" 1125899906842624 -}}
{{- $number := . | toString | regexFind "^[0-9.]+(e[+][0-9]+)?" -}}
{{- mulf ($number | float64) (index $units (. | toString | trimPrefix $number) | float64) | printf "%.0f" -}}
{{- end -}}

{{/* Takes what, its name and value, and the role's values and name. */}}
{{- define "quorate.validate.memory" -}}
{{- $limit := dig "limits" "memory" "" (.role.resources | default dict) -}}
{{- if and $limit (ge (include "quorate.bytes" .value | float64) (include "quorate.bytes" $limit | float64)) -}}
{{- fail (printf "%s.%s (%s) must be less than %s.resources.limits.memory (%v), or the kernel ends the program before it is used up." .component .name .value .component $limit) -}}
{{- end -}}
{{- end -}}

{{/* A budget that lets no pod go blocks the drain of a node for ever. */}}
{{- define "quorate.validate.budget" -}}
{{- $most := .budget.maxUnavailable -}}
{{- if and .budget.enabled (not (kindIs "invalid" $most)) (has (toString $most) (list "0" "0%")) -}}
{{- fail (printf "%s.podDisruptionBudget.maxUnavailable is %v, so no node with one of these pods could be drained: at least 1, or podDisruptionBudget.enabled false." .component $most) -}}
{{- end -}}
{{- end -}}

{{- define "quorate.validate.coordinator" -}}
{{- $coordinator := .Values.coordinator -}}
{{- $longest := include "quorate.bytes" $coordinator.maxValueSize | float64 -}}
{{- if or (lt $longest 1.0) (gt $longest 67108864.0) -}}
{{- fail (printf "coordinator.maxValueSize is %s; it can be from 1B to 64MiB." $coordinator.maxValueSize) -}}
{{- end -}}
{{- include "quorate.validate.memory" (dict "component" "coordinator" "role" $coordinator "name" "maxBytesInFlight" "value" $coordinator.maxBytesInFlight) -}}
{{- if regexMatch "^0+[a-z]+$" $coordinator.defaultTimeout -}}
{{- fail (printf "coordinator.defaultTimeout is %s, so every operation whose client sets no deadline would fail: it must be more than 0." $coordinator.defaultTimeout) -}}
{{- end -}}
{{- include "quorate.validate.budget" (dict "component" "coordinator" "budget" $coordinator.podDisruptionBudget) -}}
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
QUORATE_REPLICA_LISTEN QUORATE_ADMIN_LISTEN QUORATE_POD QUORATE_DATA_DIR QUORATE_REQUIRE_ADMISSION QUORATE_INSTANCE_DIR QUORATE_WAIT_FOR_ADVICE QUORATE_LOG QUORATE_LOG_FORMAT QUORATE_WORKER_THREADS QUORATE_DISK_RESERVE QUORATE_CACHE_SIZE OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER_ARG
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
{{- $level := "(off|error|warn|info|debug|trace|[0-5])" -}}
{{- if not (regexMatch (printf "^(?i) *([^=,]+=)?%s *(, *([^=,]+=)?%s *)*$" $level $level) .role.log) -}}
{{- fail (printf "%s.log is %q; it takes a level (error, warn, info, debug, trace, off), or target=level pairs with commas between." .component .role.log) -}}
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
{{- /* No class, and the class of the cluster's default, are "-" and "" in the values. */ -}}
{{- if hasKey .spec "storageClassName" -}}{{- $class = $class | default "-" -}}{{- end -}}
{{- $wanted := $.Values.persistence.storageClass -}}
{{- if ne $class $wanted -}}
{{- fail (printf "persistence.storageClass is %q, but the live StatefulSet has %q, which Kubernetes never changes: see \"Move to another storage class\" in docs/operations.md." $wanted $class) -}}
{{- end -}}
{{- $modes := .spec.accessModes | join ", " -}}
{{- $wantedModes := $.Values.persistence.accessModes | join ", " -}}
{{- if ne $modes $wantedModes -}}
{{- fail (printf "persistence.accessModes is [%s], but the claims of the live StatefulSet have [%s], which Kubernetes never changes: make the StatefulSet anew, as in \"Grow the volumes\" in docs/operations.md." $wantedModes $modes) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
