{{/* Fills .Values with the defaults of what is missing or empty, so that templates read every value without asking whether
     it is there: Helm removes a key that has nothing under it. Stands on top of each template, in whatever order Helm
     renders them; the second time changes nothing. */}}
{{- define "flask-app.init" -}}
{{- $defaults := include "flask-app.defaults" . | fromYaml -}}
{{- include "flask-app.fill" (dict "into" .Values "from" $defaults.values) -}}
{{- range $entries, $entry := dict "workers" $defaults.worker "cronJobs" $defaults.cronJob -}}
  {{- range $name, $own := get $.Values $entries -}}
    {{- /* An entry that is null is how one values file removes what another has. */ -}}
    {{- if kindIs "invalid" $own -}}
      {{- $_ := unset (get $.Values $entries) $name -}}
    {{- else -}}
      {{- include "flask-app.fill" (dict "into" $own "from" $entry) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* Not sprig's merge, for which false and 0 are missing too. Takes into and from, both maps. */}}
{{- define "flask-app.fill" -}}
{{- range $key, $default := .from -}}
  {{- $given := get $.into $key -}}
  {{- if or (not (hasKey $.into $key)) (kindIs "invalid" $given) -}}
    {{- $_ := set $.into $key (kindIs "map" $default | ternary (deepCopy ($default | default dict)) $default) -}}
  {{- else if and (kindIs "map" $default) (kindIs "map" $given) -}}
    {{- include "flask-app.fill" (dict "into" $given "from" $default) -}}
  {{- end -}}
{{- end -}}
{{- end }}
