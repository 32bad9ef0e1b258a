{{/* The name every resource has: the release's, with the chart's where the release's does not say it already.
     63 characters at most and no dot, which a release's name may have, since it becomes a DNS label. */}}
{{- define "flask-app.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 63 | trimAll "-" -}}
{{- end }}

{{/* The name of the Service that lists the pods, which each pod is told. A DNS label as well. */}}
{{- define "flask-app.peers" -}}
{{- printf "%s-peers" (include "flask-app.fullname" . | trunc 57 | trimSuffix "-") -}}
{{- end }}

{{/* What the Deployment, the Service and the budget select by. The component keeps test pods, which belong to the
     same release, from being counted, scaled on or sent requests. Quoted: a release may be called 123 or true. */}}
{{- define "flask-app.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: server
{{- end }}

{{/* Labels of every resource. Not of the pods: the chart's version there would restart them at each chart release. */}}
{{- define "flask-app.labels" -}}
{{ include "flask-app.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-._" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{/* The image reference; the Deployment and the test run the same. */}}
{{- define "flask-app.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{/* The ServiceAccount of the Deployment's and the test's pods. */}}
{{- define "flask-app.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "flask-app.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{/* The replicas there are at the very least: the HPA's minimum, on which the budget's check and the notes depend. */}}
{{- define "flask-app.minReplicas" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled -}}
{{- end }}

{{/* Seconds from the request to go until the kill: the least that lets every request finish. 5 are for gunicorn
     to notice and to exit. */}}
{{- define "flask-app.terminationGracePeriodSeconds" -}}
{{- with .Values.shutdown -}}
{{- .terminationGracePeriodSeconds | default (add .preStopSeconds .gracefulTimeoutSeconds 5) -}}
{{- end -}}
{{- end }}
