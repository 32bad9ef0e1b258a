{{/* Who decides the number of pods of a Deployment: one owner at most, which is never the Deployment itself, so that an
     upgrade, a rollback or a change of the mode leaves the number alone. Takes root, component, name, container,
     autoscaling and replicaCount. */}}
{{- define "flask-app.autoscaler" -}}
{{- if eq .autoscaling.mode "keda" -}}
{{ include "flask-app.scaledObject" . }}
{{- else if ne .autoscaling.mode "external" -}}
{{- $fixed := eq .autoscaling.mode "fixed" -}}
{{- /* On a change to mode keda, Helm makes the ScaledObject a moment before it removes this. KEDA would refuse it. */ -}}
{{- $annotations := dict "validations.keda.sh/hpa-ownership" "false" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "flask-app.metadata" (dict "root" .root "name" .name "component" .component "annotations" (merge $annotations .autoscaling.annotations)) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name | quote }}
  {{- /* Equal in mode fixed: then the number holds, whatever the metrics say or fail to say. */}}
  minReplicas: {{ ternary .replicaCount .autoscaling.minReplicas $fixed | int }}
  maxReplicas: {{ ternary .replicaCount .autoscaling.maxReplicas $fixed | int }}
  metrics:
    {{- if $fixed }}
    {{- include "flask-app.utilization" (dict "resource" "cpu" "container" .container "target" 100) | nindent 4 }}
    {{- else }}
    {{- range $resource, $target := dict "cpu" .autoscaling.targetCPUUtilizationPercentage "memory" .autoscaling.targetMemoryUtilizationPercentage }}
    {{- with $target }}
    {{- include "flask-app.utilization" (dict "resource" $resource "container" $.container "target" .) | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with .autoscaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
  {{- with .autoscaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end }}

{{/* Utilization of the container, not of the pod: a sidecar without a request would leave the pod's unknown. */}}
{{- define "flask-app.utilization" -}}
- type: ContainerResource
  containerResource:
    name: {{ .resource }}
    container: {{ .container | quote }}
    target:
      type: Utilization
      averageUtilization: {{ int .target }}
{{- end }}

{{/* KEDA's own HorizontalPodAutoscaler does the scaling. Takes what flask-app.autoscaler takes. */}}
{{- define "flask-app.scaledObject" -}}
{{- $behavior := .autoscaling.behavior | empty | ternary dict (dict "behavior" .autoscaling.behavior) -}}
{{- $spec := dict "advanced" (dict "horizontalPodAutoscalerConfig" $behavior) -}}
{{- $triggers := list -}}
{{- range $resource, $target := dict "cpu" .autoscaling.targetCPUUtilizationPercentage "memory" .autoscaling.targetMemoryUtilizationPercentage -}}
  {{- with $target -}}
    {{- $triggers = append $triggers (dict "type" $resource "metricType" "Utilization" "metadata" (dict "value" (int . | toString) "containerName" $.container)) -}}
  {{- end -}}
{{- end -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "flask-app.metadata" (dict "root" .root "name" .name "component" .component "annotations" .autoscaling.annotations) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name | quote }}
  minReplicaCount: {{ int .autoscaling.minReplicas }}
  maxReplicaCount: {{ int .autoscaling.maxReplicas }}
  {{- mergeOverwrite $spec (deepCopy .autoscaling.keda.spec) | toYaml | nindent 2 }}
  triggers:
    {{- concat $triggers .autoscaling.keda.triggers | toYaml | nindent 4 }}
{{- end }}

{{/* The replicas there are at the very least, and at the most. Unknown, and so 1 and many, where somebody else decides.
     Takes autoscaling and replicaCount. */}}
{{- define "flask-app.minReplicas" -}}
{{- get (dict "fixed" .replicaCount "external" 1) .autoscaling.mode | default .autoscaling.minReplicas | int -}}
{{- end }}
{{- define "flask-app.maxReplicas" -}}
{{- get (dict "fixed" .replicaCount "external" 1000) .autoscaling.mode | default .autoscaling.maxReplicas | int -}}
{{- end }}

{{/* The budget for node drains. Takes root, component, name, autoscaling, replicaCount and budget. */}}
{{- define "flask-app.budget" -}}
{{- /* Also where the minimum is one: scaled out to ten, a drain must not take all ten. */ -}}
{{- if and .budget.enabled (gt (include "flask-app.maxReplicas" . | int) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "flask-app.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "flask-app.selectorLabels" . | nindent 6 }}
  {{- if kindIs "invalid" .budget.minAvailable }}
  maxUnavailable: {{ toJson .budget.maxUnavailable }}
  {{- else }}
  minAvailable: {{ toJson .budget.minAvailable }}
  {{- end }}
  unhealthyPodEvictionPolicy: {{ .budget.unhealthyPodEvictionPolicy | quote }}
{{- end -}}
{{- end }}
