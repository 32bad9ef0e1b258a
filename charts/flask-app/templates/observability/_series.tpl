{{/* What is filled in for the words in [[ ]] of observability/alerts/, as JSON. Empty where the release has no such object.

     The release's series are told from others by `namespace` and `pod`: a PodMonitor, a ServiceMonitor and a scrape by
     annotations all set these two, while `job` is a name of their own, and a label of the release is not there at all.
     kube-state-metrics has the names of the objects in labels. */}}
{{- define "flask-app.alertTexts" -}}
{{- $fullname := include "flask-app.fullname" . -}}
{{- $namespace := printf "namespace=%q" .Release.Namespace -}}
{{- $server := printf "%s,pod=~%q" $namespace (include "flask-app.podPattern" (list $fullname)) -}}
{{- $deployments := list $fullname -}}
{{- $autoscalers := include "flask-app.watchedAutoscaler" (dict "name" $fullname "autoscaling" .Values.autoscaling) | fromJsonArray -}}
{{- $budgets := ternary (list $fullname) list (ne "" (include "flask-app.budget" (dict "root" . "name" $fullname "budget" .Values.podDisruptionBudget "autoscaling" .Values.autoscaling "replicaCount" .Values.replicaCount))) -}}
{{- range $worker, $own := .Values.workers -}}
  {{- $name := include "flask-app.suffixed" (dict "root" $ "suffix" $worker) -}}
  {{- $deployments = append $deployments $name -}}
  {{- $autoscalers = concat $autoscalers (include "flask-app.watchedAutoscaler" (dict "name" $name "autoscaling" $own.autoscaling) | fromJsonArray) -}}
  {{- if include "flask-app.budget" (dict "root" $ "name" $name "budget" $own.podDisruptionBudget "autoscaling" $own.autoscaling "replicaCount" $own.replicaCount) -}}
    {{- $budgets = append $budgets $name -}}
  {{- end -}}
{{- end -}}
{{- $cronJobs := list -}}
{{- range $cronJob, $_ := .Values.cronJobs -}}
  {{- $cronJobs = append $cronJobs (include "flask-app.suffixed" (dict "root" $ "suffix" $cronJob "length" 52)) -}}
{{- end -}}
{{- $objectives := .Values.prometheusRule.objectives -}}
{{- $timed := $server -}}
{{- range $objectives.latencyExcludedRoutes -}}
  {{- $timed = printf "%s,route!=%s" $timed (toRawJson .) -}}
{{- end -}}
{{- dict "name" $fullname "namespace" .Release.Namespace "server" $server "timed" $timed
      "pods" (printf "%s,pod=~%q" $namespace (include "flask-app.podPattern" $deployments))
      "deployment" (printf "%s,deployment=%q" $namespace $fullname)
      "deployments" (include "flask-app.matchers" (dict "namespace" $namespace "label" "deployment" "names" $deployments))
      "autoscalers" (include "flask-app.matchers" (dict "namespace" $namespace "label" "horizontalpodautoscaler" "names" $autoscalers))
      "disruptionBudgets" (include "flask-app.matchers" (dict "namespace" $namespace "label" "poddisruptionbudget" "names" $budgets))
      "cronJobs" (include "flask-app.matchers" (dict "namespace" $namespace "label" "cronjob" "names" $cronJobs))
      "jobs" (include "flask-app.matchers" (dict "namespace" $namespace "label" "job_name" "names" $cronJobs "suffix" "-[0-9]+"))
      "migration" (ternary (printf "%s,job_name=%q" $namespace (include "flask-app.suffixed" (dict "root" . "suffix" "migrations"))) "" .Values.migrations.enabled)
      "latencySeconds" $objectives.latencySeconds
      "le" (include "flask-app.bucketLabel" $objectives.latencySeconds)
      "gracefulTimeoutSeconds" (int .Values.shutdown.gracefulTimeoutSeconds)
      "progressDeadlineSeconds" (int .Values.rollout.progressDeadlineSeconds)
      "workerProcesses" (get .Values.config "WEB_CONCURRENCY" | default 1 | int) | toJson -}}
{{- end }}

{{/* Label matchers of objects by their names, or nothing without names. Takes namespace, label, names and suffix. */}}
{{- define "flask-app.matchers" -}}
{{- with .names -}}
{{ $.namespace }},{{ $.label }}=~{{ printf "(%s)%s" (join "|" .) ($.suffix | default "") | quote }}
{{- end -}}
{{- end }}

{{/* A pattern of the pods of Deployments: NAME-HASH-ID, whose last two parts have no vowels, unlike the names of other
     pods that begin with NAME. Of a long name Kubernetes keeps 58 characters. Takes a list of names. */}}
{{- define "flask-app.podPattern" -}}
{{- $patterns := list -}}
{{- range . -}}
  {{- $rest := ternary "[-a-z0-9]+" "-[b-df-hj-np-tv-xz2-9]{1,10}-[b-df-hj-np-tv-xz2-9]{5}" (gt (len .) 46) -}}
  {{- $patterns = append $patterns (printf "%s%s" (trunc 58 .) $rest) -}}
{{- end -}}
{{- join "|" $patterns -}}
{{- end }}

{{/* The HorizontalPodAutoscaler that decides by load, as a JSON list of its name. Takes name and autoscaling. */}}
{{- define "flask-app.watchedAutoscaler" -}}
{{- $keda := dig "name" (printf "keda-hpa-%s" .name) ((.autoscaling.keda.spec.advanced | default dict).horizontalPodAutoscalerConfig | default dict) -}}
{{- get (dict "hpa" (list .name) "keda" (list $keda)) .autoscaling.mode | default list | toJson -}}
{{- end }}

{{/* A bucket's boundary as it stands in the label `le`: a whole number has a fraction there. */}}
{{- define "flask-app.bucketLabel" -}}
{{- $text := toString . -}}
{{- ternary $text (printf "%s.0" $text) (regexMatch "[.e]" $text) -}}
{{- end }}
