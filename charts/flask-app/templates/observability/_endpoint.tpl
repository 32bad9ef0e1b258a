{{/* What a PodMonitor or ServiceMonitor scrapes. Its `endpoint` takes precedence. Takes root and monitor. */}}
{{- define "flask-app.scrapedEndpoint" -}}
{{- $endpoint := dict "port" .root.Values.metrics.port "path" .root.Values.metrics.path -}}
{{- with .monitor.interval -}}
  {{- $_ := set $endpoint "interval" . -}}
{{- end -}}
{{- mergeOverwrite $endpoint (deepCopy .monitor.endpoint) | toYaml -}}
{{- end }}
