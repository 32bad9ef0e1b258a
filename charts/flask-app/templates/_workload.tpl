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
{{- /* A variable of its own takes the place of an inherited one, in whichever of the two forms. */ -}}
{{- $own_config := $own.config | default dict -}}
{{- $named := keys $own_config -}}
{{- range $own.extraEnv -}}
  {{- $named = append $named .name -}}
  {{- if not (hasKey $own_config .name) -}}
    {{- $_ := unset $all.config .name -}}
  {{- end -}}
{{- end -}}
{{- $inherited := list -}}
{{- range $values.extraEnv -}}
  {{- if not (and $.own (has .name $named)) -}}
    {{- $inherited = append $inherited . -}}
  {{- end -}}
{{- end -}}
{{- $_ := set $all "extraEnv" (concat $inherited ($own.extraEnv | default list)) -}}
{{- range $key := list "extraEnvFrom" "volumes" "volumeMounts" -}}
  {{- $_ := set $all $key (concat (get $values $key) (get $own $key | default list)) -}}
{{- end -}}
{{- range $key := list "resources" "resizePolicy" "initContainers" "extraContainers" "nodeSelector" "tolerations"
      "affinity" "priorityClassName" "runtimeClassName" -}}
  {{- $_ := set $all $key (kindIs "invalid" (index $own $key) | ternary (get $values $key) (index $own $key)) -}}
{{- end -}}
{{- /* What the server does after its start is not what a migration should do. */ -}}
{{- $_ := set $all "lifecycle" ((.own | default $values).lifecycle | default dict) -}}
{{- toJson $all -}}
{{- end }}
