{{/* Requests and limits. */}}
{{- define "flask-app.check.resources" -}}
{{- $tmp := .Values.tmpSizeLimit -}}
{{- range $workload := (include "flask-app.workloads" . | fromJson).list -}}
  {{- include "flask-app.check.limits" (dict "path" (printf "%sresources" .path) "resources" .all.resources) -}}
  {{- range $index, $container := .all.initContainers -}}
    {{- include "flask-app.check.limits" (dict "path" (printf "%sinitContainers[%d].resources" $workload.path $index) "resources" .resources) -}}
  {{- end -}}
  {{- range $index, $container := .all.extraContainers -}}
    {{- include "flask-app.check.limits" (dict "path" (printf "%sextraContainers[%d].resources" $workload.path $index) "resources" .resources) -}}
  {{- end -}}
  {{- with ((.all.resources | default dict).limits | default dict) | dig "ephemeral-storage" "" -}}
    {{- if lt (include "flask-app.quantity" . | float64) (include "flask-app.quantity" $tmp | float64) -}}
      {{- fail (printf "%sresources.limits.ephemeral-storage (%v) is below tmpSizeLimit (%v), which counts towards it: the pod would be evicted. Set it above tmpSizeLimit, with room for logs" $workload.path . $tmp) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* No request is above its limit. Takes path and resources. */}}
{{- define "flask-app.check.limits" -}}
{{- $path := .path -}}
{{- $limits := (.resources | default dict).limits | default dict -}}
{{- range $name, $request := (.resources | default dict).requests -}}
  {{- $limit := get $limits $name -}}
  {{- if not (or (kindIs "invalid" $request) (kindIs "invalid" $limit) (eq (toString $limit) "")) -}}
    {{- if gt (include "flask-app.quantity" $request | float64) (include "flask-app.quantity" $limit | float64) -}}
      {{- fail (printf "%s.requests.%s (%v) is above %s.limits.%s (%v): set the limit to %v or more, or the request lower" $path $name $request $path $name $limit $request) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* A quantity in Kubernetes' form as a decimal number: 500m is 0.5, 1Ki is 1024. */}}
{{- define "flask-app.quantity" -}}
{{- $text := kindIs "string" . | ternary . (toJson .) -}}
{{- $number := regexFind "^[+]?[0-9.]+([eE][+-]?[0-9]+)?" $text -}}
{{- $factors := dict "n" 0.000000001 "u" 0.000001 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
      "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (float64 $number) (get $factors (trimPrefix $number $text) | default 1.0) | printf "%.9f" -}}
{{- end }}
