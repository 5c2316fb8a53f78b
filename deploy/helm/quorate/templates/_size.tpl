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

{{/*
The annotation that remembers which value of replica.replicas, or of coordinator.replicas, was applied last.
*/}}
{{- define "quorate.sizeAnnotation" -}}quorate.dev/replicas-value{{- end -}}

{{- define "quorate.replica.sizeValue" -}}
{{- if kindIs "invalid" .Values.replica.replicas -}}null{{- else -}}{{- int .Values.replica.replicas -}}{{- end -}}
{{- end -}}

{{/* What replica.replicas is unless somebody says a size: Helm does not tell templates who set a value. */}}
{{- define "quorate.replica.sizeDefault" -}}3{{- end -}}

{{/*
The pods of the store's members, as a JSON list: of a store that is here without a StatefulSet, such as after an uninstall,
which the object that coordinators made tells. While its members change, those of both groups are needed.
*/}}
{{- define "quorate.replica.left" -}}
{{- $pods := list -}}
{{- if not (include "quorate.replica.live" . | fromJson) -}}
  {{- $object := lookup "v1" "ConfigMap" .Release.Namespace (include "quorate.config.name" .) -}}
  {{- $config := dig "data" "config.json" "{}" ($object | default dict) | fromJson -}}
  {{- if eq (int $config.format) 1 -}}
    {{- range concat ($config.current | default list) ($config.next | default list) -}}
      {{- $pods = append $pods .pod -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $pods | uniq | toJson -}}
{{- end -}}

{{/* The size that has all of them; empty where there are none. */}}
{{- define "quorate.replica.sizeLeft" -}}
{{- $size := 0 -}}
{{- $prefix := printf "%s-" (include "quorate.replica.name" .) -}}
{{- range include "quorate.replica.left" . | fromJsonArray -}}
  {{- if hasPrefix $prefix . -}}
    {{- $size = max $size (add1 (trimPrefix $prefix . | int)) -}}
  {{- end -}}
{{- end -}}
{{- if $size -}}{{- $size -}}{{- end -}}
{{- end -}}

{{/*
The size to render; empty to leave the field out. A size that others chose is rendered again rather than left
out: under server-side apply an equal value is no conflict, and a field that its last owner leaves out, or that the
three-way merge of client-side apply finds removed, falls back to 1. A new StatefulSet of a store that is here gets all
members' pods: with fewer it may have no majority.
*/}}
{{- define "quorate.replica.size" -}}
{{- $live := include "quorate.replica.live" . | fromJson -}}
{{- $value := include "quorate.replica.sizeValue" . -}}
{{- $left := include "quorate.replica.sizeLeft" . -}}
{{- if $live -}}
  {{- $size := int (dig "spec" "replicas" 1 $live) -}}
  {{- $applied := dig "metadata" "annotations" (include "quorate.sizeAnnotation" .) "" $live -}}
  {{- if eq $value "null" -}}
    {{- $size -}}
  {{- else if and .Values.replica.keepScale (eq $applied $value) -}}
    {{- $size -}}
  {{- else -}}
    {{- $value -}}
  {{- end -}}
{{- else if and $left (or (eq $value "null") (and .Values.replica.keepScale (eq $value (include "quorate.replica.sizeDefault" .)))) -}}
  {{- $left -}}
{{- else if ne $value "null" -}}
  {{- $value -}}
{{- end -}}
{{- end -}}

{{/*
The same for coordinators. A HorizontalPodAutoscaler is left alone once the field is its own, which Helm's server-side apply
makes visible: so a rollback meets no conflict with it. Until then, leaving out what Helm set would make it 1.
*/}}
{{- define "quorate.coordinator.live" -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "quorate.fullname" .) -}}
{{- if and $live (not (dig "metadata" "deletionTimestamp" "" $live)) -}}
{{- toJson $live -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{- define "quorate.coordinator.size" -}}
{{- $live := include "quorate.coordinator.live" . | fromJson -}}
{{- $value := int .Values.coordinator.replicas | toString -}}
{{- if $live -}}
  {{- $size := int (dig "spec" "replicas" 1 $live) -}}
  {{- $applied := dig "metadata" "annotations" (include "quorate.sizeAnnotation" .) "" $live -}}
  {{- if .Values.coordinator.autoscaling.enabled -}}
    {{- $onTheServer := false -}}
    {{- $ours := false -}}
    {{- range dig "metadata" "managedFields" list $live -}}
      {{- if and (eq .manager "helm") (eq .operation "Apply") -}}
        {{- $onTheServer = true -}}
        {{- $ours = hasKey (dig "fieldsV1" "f:spec" dict .) "f:replicas" -}}
      {{- end -}}
    {{- end -}}
    {{- if or $ours (not $onTheServer) -}}
      {{- $size -}}
    {{- end -}}
  {{- else if eq $applied $value -}}
    {{- $size -}}
  {{- else -}}
    {{- $value -}}
  {{- end -}}
{{- else if not .Values.coordinator.autoscaling.enabled -}}
  {{- $value -}}
{{- end -}}
{{- end -}}
