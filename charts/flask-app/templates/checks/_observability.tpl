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
{{- if and .Values.prometheusRule.enabled .Values.management.enabled -}}
  {{- include "flask-app.check.latencyBucket" . -}}
{{- end -}}
{{- /* The Service that a ServiceMonitor finds the pods by has this port alone. */ -}}
{{- if and .Values.serviceMonitor.enabled (or (not .Values.management.enabled) (ne .Values.metrics.port "management")) -}}
  {{- fail "serviceMonitor.enabled finds the port management only, as management.enabled serves it: for another port use podMonitor.enabled" -}}
{{- end -}}
{{- end }}

{{/* How many requests were faster than a time is only known for the boundaries of the histogram's buckets. */}}
{{- define "flask-app.check.latencyBucket" -}}
{{- $buckets := get .Values.config "METRICS_BUCKETS" | default "0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10" | toString -}}
{{- $seconds := .Values.prometheusRule.objectives.latencySeconds | float64 -}}
{{- $found := false -}}
{{- range splitList "," $buckets -}}
  {{- $found = or $found (eq $seconds (trim . | float64)) -}}
{{- end -}}
{{- /* From a Secret or a field they are not known here. */ -}}
{{- range .Values.extraEnv -}}
  {{- $found = or $found (eq .name "METRICS_BUCKETS") -}}
{{- end -}}
{{- if not $found -}}
  {{- fail (printf "prometheusRule.objectives.latencySeconds (%v) is not a boundary of the latency histogram: set it to one of %s, or add it to config.METRICS_BUCKETS" .Values.prometheusRule.objectives.latencySeconds $buckets) -}}
{{- end -}}
{{- end }}
