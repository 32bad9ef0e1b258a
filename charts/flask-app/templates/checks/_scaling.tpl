{{/* Who scales, and by what. */}}
{{- define "flask-app.check.scaling" -}}
{{- include "flask-app.check.autoscaling" (dict "path" "" "autoscaling" .Values.autoscaling "resources" .Values.resources) -}}
{{- range (include "flask-app.workloads" . | fromJson).list -}}
  {{- if hasPrefix "workers." .path -}}
    {{- include "flask-app.check.autoscaling" (dict "path" .path "autoscaling" .own.autoscaling "resources" .all.resources) -}}
  {{- end -}}
{{- end -}}
{{- include "flask-app.check.claim" . -}}
{{- end }}

{{/* One autoscaler. Takes path, autoscaling and resources. */}}
{{- define "flask-app.check.autoscaling" -}}
{{- $path := .path -}}
{{- $resources := .resources | default dict -}}
{{- with .autoscaling -}}
{{- if and (not (int .minReplicas)) (not (and (eq .mode "keda") $path)) -}}
  {{- fail (printf "%sautoscaling.minReplicas (0) would leave no pod: set it to 1 or more. Only a worker in mode keda can scale to 0" $path) -}}
{{- end -}}
{{- if has .mode (list "hpa" "keda") -}}
  {{- if gt (int .minReplicas) (int .maxReplicas) -}}
    {{- fail (printf "%sautoscaling.minReplicas (%v) is above %sautoscaling.maxReplicas (%v): set maxReplicas to %v or more" $path .minReplicas $path .maxReplicas .minReplicas) -}}
  {{- end -}}
  {{- range $resource, $field := dict "cpu" "targetCPUUtilizationPercentage" "memory" "targetMemoryUtilizationPercentage" -}}
    {{- /* Kubernetes takes a limit for the request where there is none. */ -}}
    {{- $known := or (get ($resources.requests | default dict) $resource) (get ($resources.limits | default dict) $resource) -}}
    {{- if and (get $.autoscaling $field) (not $known) -}}
      {{- fail (printf "%sautoscaling.%s is in percent of %sresources.requests.%s, which is empty: set it, or %sautoscaling.mode to fixed" $path $field $path $resource $path) -}}
    {{- end -}}
  {{- end -}}
  {{- $more := eq .mode "keda" | ternary .keda.triggers .metrics -}}
  {{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage $more) -}}
    {{- fail (printf "%sautoscaling has nothing to scale on: set targetCPUUtilizationPercentage, or %s" $path (eq .mode "keda" | ternary "keda.triggers" "metrics")) -}}
  {{- end -}}
{{- end -}}
{{- range $field, $value := dict "minReplicaCount" "minReplicas" "maxReplicaCount" "maxReplicas" "triggers" "keda.triggers" "scaleTargetRef" "" -}}
  {{- if hasKey $.autoscaling.keda.spec $field -}}
    {{- fail (printf "%sautoscaling.keda.spec.%s belongs to the chart: %s" $path $field ($value | empty | ternary "remove it" (printf "set %sautoscaling.%s" $path $value))) -}}
  {{- end -}}
{{- end -}}
{{- if and (ne .mode "keda") .keda.triggers -}}
  {{- fail (printf "%sautoscaling.keda.triggers have no effect in autoscaling.mode %s: set the mode to keda" $path .mode) -}}
{{- end -}}
{{- if and (ne .mode "hpa") .metrics -}}
  {{- fail (printf "%sautoscaling.metrics have no effect in autoscaling.mode %s: set the mode to hpa, or use keda.triggers" $path .mode) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A claim that one node, or one pod, can mount is not shared. */}}
{{- define "flask-app.check.claim" -}}
{{- with .Values.persistence -}}
{{- $shared := or (has "ReadWriteMany" .accessModes) (has "ReadOnlyMany" .accessModes) -}}
{{- if and .enabled (not .existingClaim) (not $shared) -}}
  {{- $most := include "flask-app.maxReplicas" (dict "autoscaling" $.Values.autoscaling "replicaCount" $.Values.replicaCount) | int -}}
  {{- if or (gt $most 1) $.Values.workers $.Values.cronJobs -}}
    {{- fail (printf "persistence.accessModes (%s) is mounted by the pods of one node, or by one pod, and there can be more pods: set it to [ReadWriteMany], or have one pod (autoscaling.mode fixed, replicaCount 1, no workers and cronJobs)" (join ", " .accessModes)) -}}
  {{- end -}}
  {{- if ne $.Values.rollout.strategy "Recreate" -}}
    {{- fail (printf "persistence.accessModes (%s) may keep the new pod of a rollout from mounting it on another node while the old one runs: set rollout.strategy to Recreate" (join ", " .accessModes)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
