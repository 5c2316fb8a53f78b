{{/*
What the pods of both roles share. Each takes (dict "root" $ "component" NAME "role" the role's values).
*/}}
{{- define "quorate.pod.metadata" -}}
labels:
  {{- include "quorate.selectorLabels" . | nindent 2 }}
  {{- with merge (dict) .role.podLabels .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- with merge (dict) .role.podAnnotations .root.Values.commonAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Passes the "restricted" Pod Security Standard. A null in the values removes a field. */}}
{{- define "quorate.pod.securityContext" -}}
{{- $context := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- range $name, $value := .role.podSecurityContext -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $context $name -}}{{- else -}}{{- $_ := set $context $name $value -}}{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "quorate.container.securityContext" -}}
{{- $context := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- range $name, $value := .role.securityContext -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $context $name -}}{{- else -}}{{- $_ := set $context $name $value -}}{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* Where pods run, and the rest that people expect to set. */}}
{{- define "quorate.pod.placement" -}}
{{- $selector := dict "matchLabels" (include "quorate.selectorLabels" . | fromYaml) -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .role.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .role.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .role.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- with .role.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .role.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .role.affinity }}
affinity:
  {{- toYaml .role.affinity | nindent 2 }}
{{- else if ne .role.podAntiAffinity "none" }}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $selector }}
affinity:
  podAntiAffinity:
    {{- if eq .role.podAntiAffinity "hard" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      {{- list $term | toYaml | nindent 6 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- list (dict "weight" 100 "podAffinityTerm" $term) | toYaml | nindent 6 }}
    {{- end }}
{{- end }}
{{- if .role.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .role.topologySpreadConstraints | nindent 2 }}
{{- else if ne .role.zoneSpread "none" }}
topologySpreadConstraints:
  - topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: {{ eq .role.zoneSpread "hard" | ternary "DoNotSchedule" "ScheduleAnyway" }}
    labelSelector:
      {{- toYaml $selector | nindent 6 }}
{{- end }}
{{- end -}}

{{/*
Probes of the admin port. The first start may have much to read: ten minutes. Liveness asks the process alone;
readiness never depends on a quorum.
*/}}
{{- define "quorate.container.probes" -}}
startupProbe:
  httpGet: {path: /live, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 300
livenessProbe:
  httpGet: {path: /live, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /ready, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* Where traces go, if anywhere. */}}
{{- define "quorate.tracingVariables" -}}
{{- with .Values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $.Values.tracing.share | quote }}
{{- end }}
{{- end -}}
