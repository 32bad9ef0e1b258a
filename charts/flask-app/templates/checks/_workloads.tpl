{{/* The workloads that the values describe, as JSON: path is what messages begin with, own what the values say of it, and
     all what it has together with what it inherits. */}}
{{- define "flask-app.workloads" -}}
{{- $found := list (dict "path" "" "own" .Values "container" "flask-app" "all" (include "flask-app.workload" (dict "root" .) | fromJson)) -}}
{{- range $group := list "workers" "cronJobs" -}}
  {{- range $name, $own := get $.Values $group -}}
    {{- $all := include "flask-app.workload" (dict "root" $ "own" $own) | fromJson -}}
    {{- $found = append $found (dict "path" (printf "%s.%s." $group $name) "own" $own "container" $name "all" $all) -}}
  {{- end -}}
{{- end -}}
{{- if .Values.migrations.enabled -}}
  {{- $all := include "flask-app.workload" (dict "root" . "own" .Values.migrations) | fromJson -}}
  {{- $found = append $found (dict "path" "migrations." "own" .Values.migrations "container" "migrations" "all" $all) -}}
{{- end -}}
{{- dict "list" $found | toJson -}}
{{- end }}

{{/* Workers, cron jobs and the migration by themselves. */}}
{{- define "flask-app.check.workloads" -}}
{{- range (include "flask-app.workloads" . | fromJson).list -}}
  {{- if and .path (not .own.command) (not .own.args) -}}
    {{- fail (printf "%scommand is empty, so it would run the image's server: set it to what it should run" .path) -}}
  {{- end -}}
  {{- $path := .path -}}
  {{- if hasPrefix "workers." .path -}}
    {{- range $name, $probe := .own.probes -}}
      {{- if and $probe (not (or $probe.exec $probe.httpGet $probe.tcpSocket $probe.grpc)) -}}
        {{- fail (printf "%sprobes.%s asks nothing: set its exec, httpGet, tcpSocket or grpc" $path $name) -}}
      {{- end -}}
    {{- end -}}
    {{- include "flask-app.check.strategy" . -}}
  {{- end -}}
  {{- if and .own.extraContainers (or (hasPrefix "cronJobs." .path) (hasPrefix "migrations." .path)) -}}
    {{- fail (printf "%sextraContainers would keep the job from ending: set initContainers, with restartPolicy: Always for a sidecar" .path) -}}
  {{- end -}}
  {{- $names := list .container -}}
  {{- range concat .all.initContainers .all.extraContainers -}}
    {{- if eq .name (first $names) -}}
      {{- fail (printf "%sinitContainers and extraContainers: %s is the name of the chart's own container: rename it" $path .name) -}}
    {{- end -}}
    {{- if has .name $names -}}
      {{- fail (printf "%sinitContainers and extraContainers: %s is the name of two containers: rename one" $path .name) -}}
    {{- end -}}
    {{- $names = append $names .name -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* The strategy of a worker's rollout, in Kubernetes syntax. */}}
{{- define "flask-app.check.strategy" -}}
{{- $rolling := .own.strategy.rollingUpdate -}}
{{- if and $rolling (eq (.own.strategy.type | default "RollingUpdate") "Recreate") -}}
  {{- fail (printf "%sstrategy.rollingUpdate has no place beside the type Recreate: remove one of them" .path) -}}
{{- end -}}
{{- if $rolling -}}
  {{- $none := list "0" "0%" -}}
  {{- if and (has (toString $rolling.maxSurge) $none) (has (toString $rolling.maxUnavailable) $none) -}}
    {{- fail (printf "%sstrategy.rollingUpdate: with maxSurge and maxUnavailable both 0 no rollout could begin. Set one of them to 1 or more" .path) -}}
  {{- end -}}
{{- end -}}
{{- end }}
