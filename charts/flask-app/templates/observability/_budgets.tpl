{{/* The group on error budgets: the ratio of bad requests in each window, and the alerts on pairs of windows, from
     observability/alerts/budgets.yaml. Takes root and texts. */}}
{{- define "flask-app.budgetGroup" -}}
{{- $source := .root.Files.Get "observability/alerts/budgets.yaml" | fromYaml -}}
{{- $objectives := .root.Values.prometheusRule.objectives -}}
{{- $records := list -}}
{{- $alerts := list -}}
{{- range $objective := $source.objectives -}}
  {{- if not (has .alert $.root.Values.prometheusRule.disabled) -}}
    {{- $percent := round (subf 100 (get $objectives .name)) 6 -}}
    {{- $budget := include "flask-app.errorBudget" (get $objectives .name) -}}
    {{- $recorded := dict -}}
    {{- range $window := $source.windows -}}
      {{- /* A budget so large that no ratio reaches the factor needs no alert on that. */ -}}
      {{- if lt (mulf (float64 $budget) .factor) 1.0 -}}
        {{- range $length := list .long .short -}}
          {{- if not (hasKey $recorded $length) -}}
            {{- $_ := set $recorded $length true -}}
            {{- $record := dict "record" (printf "%s%s" $objective.record $length) "expr" $objective.ratio -}}
            {{- $records = append $records (include "flask-app.rule" (dict "root" $.root "rule" $record "texts" (merge (dict "window" $length) $.texts)) | fromJson) -}}
          {{- end -}}
        {{- end -}}
        {{- $alert := include "flask-app.burnAlert" (dict "objective" $objective "window" . "budget" $budget "texts" $.texts) | fromJson -}}
        {{- $texts := merge (dict "long" .long "exhausted" .exhausted "budgetPercent" $percent) $.texts -}}
        {{- $alerts = append $alerts (include "flask-app.rule" (dict "root" $.root "rule" $alert "texts" $texts) | fromJson) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- with concat $records $alerts }}
- name: budgets
  rules:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{/* The alert on one pair of windows, as JSON. Takes objective, window, budget and texts. */}}
{{- define "flask-app.burnAlert" -}}
{{- $ratios := list -}}
{{- range $length := list .window.long .window.short -}}
  {{- $ratios = append $ratios (printf "%s%s{namespace=%q,app=%q} > %v * %v" $.objective.record $length $.texts.namespace $.texts.name $.window.factor $.budget) -}}
{{- end -}}
{{- dict "alert" .objective.alert "expr" (join "\nand " $ratios) "for" .window.for
      "labels" (dict "severity" .window.severity "long" .window.long "short" .window.short)
      "annotations" (dict "summary" .objective.summary "description" .objective.description) | toJson -}}
{{- end }}

{{/* The share of requests that an objective, in percent, lets be bad. Rounded, since 100 - 99.9 is 0.0999999 in binary. */}}
{{- define "flask-app.errorBudget" -}}
{{- round (divf (subf 100 .) 100) 8 -}}
{{- end }}
