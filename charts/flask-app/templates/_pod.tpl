{{/* The pod template of every workload. Takes root, workload, component, containers (YAML) and, if need be, hook,
     annotations, gracePeriod, restartPolicy, extra (whether the extraContainers belong to it) and spread (whether to
     spread the pods over nodes). */}}
{{- define "flask-app.podTemplate" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- merge (include "flask-app.selectorLabels" . | fromYaml) .workload.podLabels $values.commonLabels $values.global.labels | toYaml | nindent 4 }}
  {{- $annotations := dict -}}
  {{- /* A change of what is mounted rolls the pods. */ -}}
  {{- with $values.configFiles }}{{ $_ := set $annotations "checksum/config-files" (toJson . | sha256sum) }}{{ end -}}
  {{- with $values.secrets.values }}{{ $_ := set $annotations "checksum/secret" (toJson . | sha256sum) }}{{ end -}}
  {{- with merge $annotations (.annotations | default dict) .workload.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .serviceAccountName | default (include "flask-app.serviceAccountName" .root) | quote }}
  automountServiceAccountToken: {{ toJson $values.serviceAccount.automount }}
  {{- /* A Service named flask-* would otherwise set FLASK_* variables, which Flask takes for settings. */}}
  enableServiceLinks: false
  {{- with .gracePeriod }}
  terminationGracePeriodSeconds: {{ int . }}
  {{- end }}
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with concat $values.imagePullSecrets $values.global.imagePullSecrets | uniq }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .workload.initContainers }}
  initContainers:
    {{- include "flask-app.containers" (dict "pod" $ "containers" .) | nindent 4 }}
  {{- end }}
  containers:
    {{- .containers | nindent 4 }}
    {{- if and .extra .workload.extraContainers }}
    {{- include "flask-app.containers" (dict "pod" $ "containers" .workload.extraContainers) | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "flask-app.volumes" . | nindent 4 }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" }}
  {{- with get $.workload $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- range $key := list "priorityClassName" "runtimeClassName" }}
  {{- with get $.workload $key }}
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $key := list "schedulerName" "dnsPolicy" }}
  {{- with get $values $key }}
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $key := list "hostAliases" "dnsConfig" }}
  {{- with get $values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- range $key := list "hostUsers" "shareProcessNamespace" }}
  {{- if not (kindIs "invalid" (index $values $key)) }}
  {{ $key }}: {{ index $values $key | toJson }}
  {{- end }}
  {{- end }}
  {{- if .spread }}
  {{- include "flask-app.spread" . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Containers of the user's. One without an image runs the application's, with its settings and mounts. Takes containers,
     and pod: what flask-app.podTemplate takes. */}}
{{- define "flask-app.containers" -}}
{{- range .containers }}
- {{ if .image }}{{ toYaml . | indent 2 | trim }}{{ else }}
  {{- $common := include "flask-app.container" (merge (dict "name" .name) $.pod) | fromYaml -}}
  {{- merge (deepCopy .) $common | toYaml | indent 2 | trim }}{{ end }}
{{- end }}
{{- end }}

{{/* The volumes of every workload. Takes root, workload and hook. */}}
{{- define "flask-app.volumes" -}}
{{- $values := .root.Values -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ $values.tmpSizeLimit | quote }}
{{- with include "flask-app.secretName" . }}
- name: secrets
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- if $values.configFiles }}
- name: config-files
  configMap:
    name: {{ include "flask-app.configFilesName" . | quote }}
{{- end }}
{{- with include "flask-app.claimName" . }}
- name: data
  persistentVolumeClaim:
    claimName: {{ . | quote }}
{{- end }}
{{- with .workload.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The PersistentVolumeClaim that is mounted. Empty for none, as for a migration if the chart creates the claim: before the
     first install there is none yet. Takes root and hook. */}}
{{- define "flask-app.claimName" -}}
{{- with .root.Values.persistence -}}
{{- if and .enabled (or .existingClaim (not $.hook)) -}}
{{- .existingClaim | default (include "flask-app.suffixed" (dict "root" $.root "suffix" "data")) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The ConfigMap of configFiles. Takes root and hook, as flask-app.secretName. */}}
{{- define "flask-app.configFilesName" -}}
{{- include "flask-app.suffixed" (dict "root" .root "suffix" (.hook | default false | ternary (printf "migrations-%d" .root.Release.Revision) "files")) -}}
{{- end }}

{{/* How the pods are spread over nodes. Each revision is spread by itself: else, during a rollout, the old pods push the
     new ones together. Takes root and component. */}}
{{- define "flask-app.spread" -}}
{{- $spread := .root.Values.topologySpread -}}
{{- $constraints := $spread.constraints -}}
{{- if not $constraints -}}
  {{- range $spread.topologyKeys -}}
    {{- /* Nodes that are cordoned or tainted would only attract pods that can't run there. */ -}}
    {{- $constraints = append $constraints (dict "topologyKey" . "maxSkew" 1 "whenUnsatisfiable" $spread.whenUnsatisfiable "nodeTaintsPolicy" "Honor") -}}
  {{- end -}}
{{- end -}}
{{- if and $spread.enabled $constraints }}
{{- $selector := dict "matchLabels" (include "flask-app.selectorLabels" . | fromYaml) -}}
topologySpreadConstraints:
  {{- range $constraints }}
  - {{ merge (dict "labelSelector" (.labelSelector | default $selector)) . (hasKey . "matchLabelKeys" | ternary dict (dict "matchLabelKeys" (list "pod-template-hash"))) | toYaml | indent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}
