{{/*
Names and labels. The name is at most 40 characters, so that the longest one made from it, the label that
the StatefulSet's controller puts on pods, stays below 63.
*/}}
{{- define "quorate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "quorate" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-quorate" (.Release.Name | trunc 32 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "quorate.replica.name" -}}
{{- printf "%s-replica" (include "quorate.fullname" .) -}}
{{- end -}}

{{- define "quorate.coordinator.serviceAccountName" -}}
{{- .Values.coordinator.serviceAccount.name | default (include "quorate.fullname" .) -}}
{{- end -}}

{{- define "quorate.replica.serviceAccountName" -}}
{{- .Values.replica.serviceAccount.name | default (include "quorate.replica.name" .) -}}
{{- end -}}

{{/* Objects that coordinators make at run time. They are never templated. */}}
{{- define "quorate.config.name" -}}{{ include "quorate.fullname" . }}-config{{- end -}}
{{- define "quorate.boots.name" -}}{{ include "quorate.fullname" . }}-boots{{- end -}}
{{- define "quorate.lease.name" -}}{{ include "quorate.fullname" . }}{{- end -}}

{{/*
Labels that select the pods of a role: nothing here follows from a value or the chart's version, since selectors
and the labels of volume claims never change. Takes (dict "root" $ "component" NAME).
*/}}
{{- define "quorate.selectorLabels" -}}
app.kubernetes.io/name: quorate
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "quorate.labels" -}}
{{ include "quorate.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: quorate
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object. Takes root, component, name, and labels and annotations of its own. */}}
{{- define "quorate.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "quorate.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "quorate.image" -}}
{{- $image := .image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* The families of a Service. */}}
{{- define "quorate.ipFamilies" -}}
{{- with .Values.ipFamilies.policy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.ipFamilies.order }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
