{{/* Characters that YAML does not allow: Helm's toYaml gives nothing for a map or a list that has one. */}}
{{- define "flask-app.check.characters" -}}
{{- if regexMatch "[\\x{7f}-\\x{84}\\x{86}-\\x{9f}\\x{fffe}\\x{ffff}]" (toJson .Values) -}}
  {{- fail "a value has a control character that YAML does not allow (U+007F to U+009F, U+FFFE or U+FFFF): remove it" -}}
{{- end -}}
{{- end }}
