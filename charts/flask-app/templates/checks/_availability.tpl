{{/* Shutdown, rollouts, probes and drains. */}}
{{- define "flask-app.check.availability" -}}
{{- with .Values.shutdown -}}
  {{- $least := add .preStopSeconds .gracefulTimeoutSeconds 5 -}}
  {{- if and (not (kindIs "invalid" .terminationGracePeriodSeconds)) (lt (int .terminationGracePeriodSeconds) (int $least)) -}}
    {{- fail (printf "shutdown.terminationGracePeriodSeconds (%v) would kill requests: set it to %v (preStopSeconds + gracefulTimeoutSeconds + 5) or more, or leave it empty" .terminationGracePeriodSeconds $least) -}}
  {{- end -}}
{{- end -}}
{{- if .Values.lifecycle.preStop -}}
  {{- fail "lifecycle.preStop belongs to the chart, which keeps a terminating pod serving: set shutdown.preStopSeconds, and do your own work at SIGTERM" -}}
{{- end -}}
{{- with .Values.rollout -}}
  {{- if ge (int .minReadySeconds) (int .progressDeadlineSeconds) -}}
    {{- fail (printf "rollout.minReadySeconds (%v) must be below rollout.progressDeadlineSeconds (%v): no rollout could ever end in time" .minReadySeconds .progressDeadlineSeconds) -}}
  {{- end -}}
  {{- if and (eq .strategy "Recreate") (ne (toString .maxSurge) "25%") -}}
    {{- fail (printf "rollout.maxSurge (%v) has no effect with rollout.strategy Recreate, which removes all pods first: remove one of them" .maxSurge) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $own := .Values.workers -}}
  {{- if ge (int .minReadySeconds) (int $.Values.rollout.progressDeadlineSeconds) -}}
    {{- fail (printf "workers.%s.minReadySeconds (%v) must be below rollout.progressDeadlineSeconds (%v): no rollout could ever end in time" $name .minReadySeconds $.Values.rollout.progressDeadlineSeconds) -}}
  {{- end -}}
  {{- include "flask-app.check.budget" (dict "path" (printf "workers.%s." $name) "budget" .podDisruptionBudget "autoscaling" .autoscaling "replicaCount" .replicaCount) -}}
{{- end -}}
{{- include "flask-app.check.budget" (dict "path" "" "budget" .Values.podDisruptionBudget "autoscaling" .Values.autoscaling "replicaCount" .Values.replicaCount) -}}
{{- range $name := list "startup" "liveness" -}}
  {{- if gt (dig $name "successThreshold" 1 $.Values.probes | int) 1 -}}
    {{- fail (printf "probes.%s.successThreshold must be 1, which is what Kubernetes accepts there: remove it" $name) -}}
  {{- end -}}
{{- end -}}
{{- range $index, $constraint := .Values.topologySpread.constraints -}}
  {{- if and .minDomains (eq .whenUnsatisfiable "ScheduleAnyway") -}}
    {{- fail (printf "topologySpread.constraints[%d].minDomains needs whenUnsatisfiable: DoNotSchedule" $index) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* A budget that would block every drain, where there is one. Takes path, budget, autoscaling and replicaCount. */}}
{{- define "flask-app.check.budget" -}}
{{- $minimum := include "flask-app.minReplicas" . | int -}}
{{- if and .budget.enabled (gt (include "flask-app.maxReplicas" . | int) 1) -}}
  {{- if not (kindIs "invalid" .budget.minAvailable) -}}
    {{- /* Kubernetes rounds a percentage up. */ -}}
    {{- $stay := int .budget.minAvailable -}}
    {{- if kindIs "string" .budget.minAvailable -}}
      {{- $stay = divf (mulf (trimSuffix "%" .budget.minAvailable | float64) $minimum) 100 | ceil | int -}}
    {{- end -}}
    {{- /* How many there are in mode external is not known here. */ -}}
    {{- if and (ge $stay $minimum) (ne .autoscaling.mode "external") -}}
      {{- fail (printf "%spodDisruptionBudget.minAvailable (%v) would block every drain while there are %d replicas: set it lower, or use maxUnavailable" .path .budget.minAvailable $minimum) -}}
    {{- end -}}
  {{- else if has (toString .budget.maxUnavailable) (list "0" "0%") -}}
    {{- fail (printf "%spodDisruptionBudget.maxUnavailable (%v) would block every drain: set it to 1 or more" .path .budget.maxUnavailable) -}}
  {{- end -}}
{{- end -}}
{{- end }}
