{{/* Environment variables are stated once: Helm 3 would take one of two, and Helm 4's server-side apply would fail. */}}
{{- define "flask-app.check.environment" -}}
{{- $ours := dict "PORT" "set containerPort, and service.port for the Service" -}}
{{- if .Values.management.enabled -}}
  {{- $ours = dict "MANAGEMENT_PORT" "it is always 5001" "GRACEFUL_TIMEOUT" "set shutdown.gracefulTimeoutSeconds" "PEER_SERVICE" "it is always the release's own" | merge $ours -}}
{{- end -}}
{{- if include "flask-app.secretName" (dict "root" .) -}}
  {{- $_ := set $ours "SECRETS_DIR" "set secrets.existingSecret" -}}
{{- end -}}
{{- range $workload := (include "flask-app.workloads" . | fromJson).list -}}
  {{- $seen := dict -}}
  {{- range .all.extraEnv -}}
    {{- if and (hasKey $ours .name) (or (not $workload.path) (eq .name "SECRETS_DIR")) -}}
      {{- fail (printf "%sextraEnv has %s, which is set by the chart: remove it; %s" $workload.path .name (get $ours .name)) -}}
    {{- end -}}
    {{- if hasKey $workload.all.config .name -}}
      {{- fail (printf "%sextraEnv: %s is set twice, in config and in extraEnv: remove one" $workload.path .name) -}}
    {{- end -}}
    {{- if hasKey $seen .name -}}
      {{- fail (printf "%sextraEnv: %s is set twice: remove one" $workload.path .name) -}}
    {{- end -}}
    {{- $_ := set $seen .name true -}}
  {{- end -}}
{{- end -}}
{{- end }}
