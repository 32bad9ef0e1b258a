{{/* The server's container: the common one with ports, probes and the way it stops. Takes root, name, workload and
     server: true. */}}
{{- define "flask-app.serverContainer" -}}
{{- $values := .root.Values -}}
- {{ include "flask-app.container" . | indent 2 | trim }}
  {{- range $key := list "command" "args" }}
  {{- with get $values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  ports:
    - name: http
      containerPort: {{ int $values.containerPort }}
    {{- if $values.management.enabled }}
    - name: management
      containerPort: 5001
    {{- end }}
    {{- with $values.extraPorts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- range $probe, $path := dict "startup" "/startupz" "readiness" "/readyz" "liveness" "/livez" }}
  {{- with include "flask-app.probe" (dict "root" $.root "probe" (get $values.probes $probe) "path" $path) }}
  {{ $probe }}Probe:
    {{- . | nindent 4 }}
  {{- end }}
  {{- end }}
  lifecycle:
    {{- merge (dict "preStop" (dict "sleep" (dict "seconds" (int $values.shutdown.preStopSeconds)))) .workload.lifecycle | toYaml | nindent 4 }}
{{- end }}

{{/* A probe: nodrop's, unless it names a handler of its own. Empty where there is nobody to ask. Takes root, probe, path. */}}
{{- define "flask-app.probe" -}}
{{- $own := or .probe.httpGet .probe.tcpSocket .probe.grpc .probe.exec -}}
{{- if and .probe.enabled (or $own .root.Values.management.enabled) -}}
{{- $handler := $own | empty | ternary (dict "httpGet" (dict "path" .path "port" "management")) dict -}}
{{- merge $handler (omit .probe "enabled") | toYaml -}}
{{- end -}}
{{- end }}

{{/* Seconds until the pod is killed: the least that lets every request finish. 5 are for the server to notice and exit. */}}
{{- define "flask-app.terminationGracePeriodSeconds" -}}
{{- with .Values.shutdown -}}
{{- .terminationGracePeriodSeconds | default (add .preStopSeconds .gracefulTimeoutSeconds 5) | int -}}
{{- end -}}
{{- end }}

{{/* What tells a Prometheus without the operator where the metrics are. */}}
{{- define "flask-app.scrapeAnnotations" -}}
{{- with .Values.metrics -}}
{{- if .scrapeAnnotations -}}
{{- $ports := dict "management" 5001 "http" $.Values.containerPort -}}
{{- range $.Values.extraPorts }}{{ $_ := set $ports (.name | default "") .containerPort }}{{ end -}}
prometheus.io/scrape: "true"
prometheus.io/path: {{ .path | quote }}
prometheus.io/port: {{ get $ports .port | int | toString | quote }}
{{- end -}}
{{- end -}}
{{- end }}
