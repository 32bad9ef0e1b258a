{{/* The name of the release's resources: the release's name, with the chart's unless it contains that already. At most 63
     characters and no dot, which a release's name may have, since it becomes a DNS label. */}}
{{- define "flask-app.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | replace "." "-" | trunc 63 | trimAll "-" -}}
{{- end }}

{{/* The name with a suffix, in `length` characters. Takes root, suffix and length (63 if not given). */}}
{{- define "flask-app.suffixed" -}}
{{- $left := sub (.length | default 63) (add1 (len .suffix)) | int -}}
{{- printf "%s-%s" (include "flask-app.fullname" .root | trunc $left | trimSuffix "-") .suffix -}}
{{- end }}

{{/* The headless Service that lists the ready pods, which each pod is told. */}}
{{- define "flask-app.peers" -}}
{{- include "flask-app.suffixed" (dict "root" . "suffix" "peers") -}}
{{- end }}

{{/* What selects the pods of one component. Quoted, since a release may be called 123 or true. Takes root and component. */}}
{{- define "flask-app.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | default "server" | quote }}
{{- end }}

{{/* Name, namespace, labels and annotations of an object. Takes root, name, and if need be component, labels and
     annotations. The chart's own labels take precedence, since selectors depend on them. */}}
{{- define "flask-app.metadata" -}}
{{- $values := .root.Values -}}
{{- $labels := include "flask-app.selectorLabels" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/version" ($values.image.tag | default .root.Chart.AppVersion | trunc 63 | trimAll "-._") -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63) -}}
name: {{ .name | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- merge $labels (.labels | default dict) $values.commonLabels $values.global.labels | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) $values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The ServiceAccount of the pods. */}}
{{- define "flask-app.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "flask-app.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}
