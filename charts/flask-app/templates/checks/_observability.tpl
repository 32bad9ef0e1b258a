{{/* Metrics are scraped once, from a port that is there. */}}
{{- define "flask-app.check.observability" -}}
{{- $ways := list -}}
{{- if .Values.podMonitor.enabled -}}{{- $ways = append $ways "podMonitor.enabled" -}}{{- end -}}
{{- if .Values.serviceMonitor.enabled -}}{{- $ways = append $ways "serviceMonitor.enabled" -}}{{- end -}}
{{- if .Values.metrics.scrapeAnnotations -}}{{- $ways = append $ways "metrics.scrapeAnnotations" -}}{{- end -}}
{{- if gt (len $ways) 1 -}}
  {{- fail (printf "%s are both true, so every sample would be scraped twice: set one to false" (join " and " $ways)) -}}
{{- end -}}
{{- if $ways -}}
  {{- $port := .Values.metrics.port -}}
  {{- $names := list "http" -}}
  {{- if .Values.management.enabled -}}{{- $names = append $names "management" -}}{{- end -}}
  {{- range concat .Values.extraPorts (list) -}}{{- $names = append $names (.name | default "") -}}{{- end -}}
  {{- if not (has $port $names) -}}
    {{- fail (printf "metrics.port (%s) is not a port of the server container, so %s would find nothing: set it to one of %s" $port (first $ways) (without $names "" | join ", ")) -}}
  {{- end -}}
{{- end -}}
{{- end }}
