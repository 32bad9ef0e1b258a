{{/* The groups of the PrometheusRule, from observability/alerts/. Only alerts on what the release has are in them. */}}
{{- define "flask-app.alertGroups" -}}
{{- $texts := include "flask-app.alertTexts" . | fromJson -}}
{{- $files := list -}}
{{- if .Values.management.enabled -}}
  {{- include "flask-app.budgetGroup" (dict "root" . "texts" $texts) }}
  {{- $files = append $files "server" -}}
  {{- if not (get .Values.config "MAX_REQUESTS" | int) -}}
    {{- $files = append $files "workers" -}}
  {{- end -}}
{{- end -}}
{{- if .Values.prometheusRule.kubeStateMetrics -}}
  {{- $files = append $files "pods" -}}
  {{- range $file, $needed := dict "autoscalers" "autoscalers" "disruptions" "disruptionBudgets" "cronjobs" "cronJobs" "migrations" "migration" -}}
    {{- if get $texts $needed -}}
      {{- $files = append $files $file -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $file := $files }}
{{- $rules := list -}}
{{- range $.Files.Get (printf "observability/alerts/%s.yaml" $file) | fromYamlArray -}}
  {{- if not (has .alert $.Values.prometheusRule.disabled) -}}
    {{- $rules = append $rules (include "flask-app.rule" (dict "root" $ "rule" . "texts" $texts) | fromJson) -}}
  {{- end -}}
{{- end -}}
{{- with $rules }}
- name: {{ $file }}
  rules:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}
{{- with .Values.prometheusRule.extraGroups }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A rule with its texts filled in, as JSON. The words are replaced in the parsed rule, so that no text can end the string
     that it is in. Takes root, rule and texts. */}}
{{- define "flask-app.rule" -}}
{{- $rule := deepCopy .rule -}}
{{- $annotations := get $rule "annotations" | default dict -}}
{{- range $word, $text := .texts -}}
  {{- $_ := set $rule "expr" (replace (printf "[[%s]]" $word) (toString $text) $rule.expr) -}}
  {{- range $name, $annotation := $annotations -}}
    {{- $_ := set $annotations $name (replace (printf "[[%s]]" $word) (toString $text) $annotation) -}}
  {{- end -}}
{{- end -}}
{{- $labels := dict "namespace" .root.Release.Namespace "app" .texts.name -}}
{{- if $rule.alert -}}
  {{- $labels = merge $labels (get $rule "labels" | default dict) .root.Values.prometheusRule.alertLabels -}}
  {{- with .root.Values.prometheusRule.runbookUrl -}}
    {{- $_ := set $annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" .) $rule.alert) -}}
  {{- else -}}
    {{- $_ := set $annotations "description" (printf "%s Runbook: docs/runbooks/%s.md" $annotations.description $rule.alert) -}}
  {{- end -}}
{{- end -}}
{{- $_ := set $rule "labels" $labels -}}
{{- toJson $rule -}}
{{- end }}
