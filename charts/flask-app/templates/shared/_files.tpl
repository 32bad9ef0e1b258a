{{/* The data of the ConfigMap of configFiles. */}}
{{- define "flask-app.configFilesData" -}}
{{- range $path, $content := .Values.configFiles }}
{{ include "flask-app.fileKey" $path }}: {{ $content | quote }}
{{- end }}
{{- end }}

{{/* The data of the Secret of secrets.values. */}}
{{- define "flask-app.secretData" -}}
{{- range $name, $value := .Values.secrets.values }}
{{ $name | quote }}: {{ $value | quote }}
{{- end }}
{{- end }}
