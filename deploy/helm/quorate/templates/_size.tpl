{{/*
The live StatefulSet of the replicas, or an empty dict: also when rendered without a cluster.
*/}}
{{- define "quorate.replica.live" -}}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "quorate.replica.name" .) -}}
{{- if and $live (not (dig "metadata" "deletionTimestamp" "" $live)) -}}
{{- toJson $live -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* The annotation that remembers which value of replica.replicas was applied last. */}}
{{- define "quorate.replica.sizeAnnotation" -}}quorate.dev/replicas-value{{- end -}}

{{- define "quorate.replica.sizeValue" -}}
{{- if kindIs "invalid" .Values.replica.replicas -}}null{{- else -}}{{- int .Values.replica.replicas -}}{{- end -}}
{{- end -}}

{{/*
The size to render; empty to leave the field out. A size that others chose is rendered again rather than left
out: under server-side apply an equal value is no conflict, and a field that its last owner leaves out, or that the
three-way merge of client-side apply finds removed, falls back to 1.
*/}}
{{- define "quorate.replica.size" -}}
{{- $live := include "quorate.replica.live" . | fromJson -}}
{{- $value := include "quorate.replica.sizeValue" . -}}
{{- if $live -}}
  {{- $size := int (dig "spec" "replicas" 1 $live) -}}
  {{- $applied := dig "metadata" "annotations" (include "quorate.replica.sizeAnnotation" .) "" $live -}}
  {{- if eq $value "null" -}}
    {{- $size -}}
  {{- else if and .Values.replica.keepScale (eq $applied $value) -}}
    {{- $size -}}
  {{- else -}}
    {{- $value -}}
  {{- end -}}
{{- else if ne $value "null" -}}
  {{- $value -}}
{{- end -}}
{{- end -}}
