{{/* What a worker, a cron job or a migration is made of, as JSON: the values of the section "Pod" with its own merged
     (maps), added (the lists that name things) or in their place (everything else). Takes root and own; without own it is
     what the server has. */}}
{{- define "flask-app.workload" -}}
{{- $values := .root.Values -}}
{{- $own := .own | default dict -}}
{{- $all := dict -}}
{{- range $key := list "config" "podLabels" "podAnnotations" -}}
  {{- $_ := set $all $key (merge dict (get $own $key | default dict) (get $values $key)) -}}
{{- end -}}
{{- range $key := list "extraEnv" "extraEnvFrom" "volumes" "volumeMounts" -}}
  {{- $_ := set $all $key (concat (get $values $key) (get $own $key | default list)) -}}
{{- end -}}
{{- range $key := list "resources" "resizePolicy" "initContainers" "extraContainers" "lifecycle" "nodeSelector" "tolerations"
      "affinity" "priorityClassName" "runtimeClassName" -}}
  {{- $_ := set $all $key (kindIs "invalid" (index $own $key) | ternary (get $values $key) (index $own $key)) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}
