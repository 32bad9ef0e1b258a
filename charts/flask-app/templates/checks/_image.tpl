{{/* The image has a name. */}}
{{- define "flask-app.check.image" -}}
{{- if not .Values.image.repository -}}
  {{- fail "image.repository is empty: set it to your image, such as ghcr.io/example/shop. To build this project's image and run it on a kind cluster, use `make up`" -}}
{{- end -}}
{{- end }}
