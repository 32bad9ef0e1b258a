{{/* The Secret that is mounted, and the permissions of the pods. */}}
{{- define "flask-app.check.secrets" -}}
{{- with .Values.secrets -}}
  {{- if and .existingSecret .values -}}
    {{- fail "secrets.existingSecret and secrets.values are both set, and only one Secret is mounted: remove one" -}}
  {{- end -}}
{{- end -}}
{{- with .Values.serviceAccount -}}
  {{- if and .rules (not .automount) -}}
    {{- fail "serviceAccount.rules have no effect while the pods have no token: set serviceAccount.automount to true, or remove the rules" -}}
  {{- end -}}
  {{- if and .rules (not .create) (not .name) -}}
    {{- fail "serviceAccount.rules would apply to the ServiceAccount `default`, which other pods of the namespace have too: set serviceAccount.create to true, or name one in serviceAccount.name" -}}
  {{- end -}}
{{- end -}}
{{- end }}
