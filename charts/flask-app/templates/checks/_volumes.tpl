{{/* Volumes have different names, and each mount a volume and a path of its own. */}}
{{- define "flask-app.check.volumes" -}}
{{- $ours := dict "tmp" (list "/tmp") -}}
{{- if include "flask-app.secretName" (dict "root" .) -}}{{- $_ := set $ours "secrets" (list "/run/secrets/app") -}}{{- end -}}
{{- if .Values.configFiles -}}{{- $_ := set $ours "config-files" (keys .Values.configFiles) -}}{{- end -}}
{{- with .Values.persistence -}}
  {{- if .enabled -}}
    {{- $_ := set $ours "data" (list .mountPath) -}}
    {{- if not (or .accessModes .existingClaim) -}}
      {{- fail "persistence.accessModes is empty: set it to [ReadWriteMany], or [ReadWriteOnce] for a single pod" -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $taken := list -}}
{{- range $name, $mounted := $ours -}}
  {{- range $mounted -}}
    {{- if has . $taken -}}
      {{- fail (printf "something is mounted at %s already: choose another path in configFiles or persistence.mountPath" .) -}}
    {{- end -}}
    {{- $taken = append $taken . -}}
  {{- end -}}
{{- end -}}
{{- range $workload := (include "flask-app.workloads" . | fromJson).list -}}
  {{- $names := keys $ours -}}
  {{- /* See flask-app.claimName. */ -}}
  {{- if and (eq .path "migrations.") (not $.Values.persistence.existingClaim) -}}
    {{- $names = without $names "data" -}}
  {{- end -}}
  {{- range .all.volumes -}}
    {{- if hasKey $ours .name -}}
      {{- fail (printf "%svolumes: %s is the name of a volume of the chart's own: rename it" $workload.path .name) -}}
    {{- end -}}
    {{- if has .name $names -}}
      {{- fail (printf "%svolumes: %s is the name of two volumes: rename one" $workload.path .name) -}}
    {{- end -}}
    {{- $names = append $names .name -}}
  {{- end -}}
  {{- $paths := $taken -}}
  {{- range .all.volumeMounts -}}
    {{- if and (not (has .name $names)) (hasKey $ours .name) -}}
      {{- fail (printf "%svolumeMounts: %s mounts the chart's claim, which is not there before the first install: create a claim and set persistence.existingClaim, or give the migration no such mount" $workload.path .mountPath) -}}
    {{- end -}}
    {{- if not (has .name $names) -}}
      {{- fail (printf "%svolumeMounts: %s names the volume %s, which is not there: add it to volumes, or correct the name" $workload.path .mountPath .name) -}}
    {{- end -}}
    {{- $path := trimSuffix "/" .mountPath | default "/" -}}
    {{- if has $path $paths -}}
      {{- fail (printf "%svolumeMounts: something is mounted at %s already: choose another path" $workload.path .mountPath) -}}
    {{- end -}}
    {{- $paths = append $paths $path -}}
  {{- end -}}
{{- end -}}
{{- end }}
