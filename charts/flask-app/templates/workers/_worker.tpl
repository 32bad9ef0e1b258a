{{/* The container of a worker, a cron job or a migration: the common one with a command of its own. Takes root, name,
     workload, own and hook. */}}
{{- define "flask-app.ownContainer" -}}
- {{ include "flask-app.container" . | indent 2 | trim }}
  {{- range $key := list "command" "args" }}
  {{- with get $.own $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- range $probe := list "startup" "readiness" "liveness" }}
  {{- with get ($.own.probes | default dict) $probe }}
  {{ $probe }}Probe:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with .workload.lifecycle }}
  lifecycle:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
