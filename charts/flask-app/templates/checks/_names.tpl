{{/* The names of resources. */}}
{{- define "flask-app.check.names" -}}
{{- $name := include "flask-app.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
  {{- fail (printf "%q can't be the name of a Service: it must begin with a letter and have letters, digits and - only. Choose another release name, or set fullnameOverride" $name) -}}
{{- end -}}
{{- range $group := list "workers" "cronJobs" -}}
  {{- range $each, $_ := get $.Values $group -}}
    {{- if has $each (list "peers" "test" "migrations" "files" "secrets" "data" "flask-app") -}}
      {{- fail (printf "%s.%s has a name that the chart uses for something else: rename it" $group $each) -}}
    {{- end -}}
    {{- if and (eq $group "cronJobs") (hasKey $.Values.workers $each) -}}
      {{- fail (printf "cronJobs.%s and workers.%s would have one name: rename one" $each $each) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}
