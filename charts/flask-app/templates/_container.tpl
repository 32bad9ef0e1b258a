{{/* The image by its tag, or by its digest. */}}
{{- define "flask-app.image" -}}
{{- $registry := .Values.global.imageRegistry -}}
{{- $repository := .Values.image.repository -}}
{{- if $registry -}}
  {{- /* A first part with a dot, a colon or the name localhost is a registry, which is replaced. */ -}}
  {{- $repository = printf "%s/%s" (trimSuffix "/" $registry) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- printf "%s:%s%s" $repository $tag (.Values.image.digest | empty | ternary "" (printf "@%s" .Values.image.digest)) -}}
{{- end }}

{{/* What every container of the image has in common. Takes root, name and workload. */}}
{{- define "flask-app.container" -}}
{{- $values := .root.Values -}}
name: {{ .name | quote }}
image: {{ include "flask-app.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy | quote }}
{{- with $values.workingDir }}
workingDir: {{ . | quote }}
{{- end }}
env:
  {{- include "flask-app.env" . | trim | nindent 2 }}
{{- with .workload.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.resizePolicy }}
resizePolicy:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- /* The last lines of the log are then in `kubectl describe pod`. */}}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if include "flask-app.secretName" . }}
  - name: secrets
    mountPath: /run/secrets/app
    readOnly: true
  {{- end }}
  {{- range $path, $_ := $values.configFiles }}
  - name: config-files
    mountPath: {{ $path | quote }}
    subPath: {{ include "flask-app.fileKey" $path }}
    readOnly: true
  {{- end }}
  {{- if include "flask-app.claimName" . }}
  - name: data
    mountPath: {{ $values.persistence.mountPath | quote }}
  {{- end }}
  {{- with .workload.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Environment variables. Stated, so that neither the image nor a Secret can move what the probes, the Service and the
     grace period depend on. Takes root, workload and, for the server, server: true. */}}
{{- define "flask-app.env" -}}
{{- $values := .root.Values -}}
{{- $set := dict -}}
{{- if .server -}}
  {{- $_ := set $set "PORT" (int $values.containerPort | toString) -}}
  {{- if $values.management.enabled -}}
    {{- $_ := set $set "MANAGEMENT_PORT" "5001" -}}
    {{- $_ := set $set "GRACEFUL_TIMEOUT" (int $values.shutdown.gracefulTimeoutSeconds | toString) -}}
    {{- $_ := set $set "PEER_SERVICE" (include "flask-app.peers" .root) -}}
  {{- end -}}
{{- end -}}
{{- if include "flask-app.secretName" . -}}
  {{- $_ := set $set "SECRETS_DIR" "/run/secrets/app" -}}
{{- end -}}
{{- range $name, $value := .workload.config -}}
  {{- /* toJson, since toString makes 1e+06 of a million. Kubernetes takes $$ for $. */ -}}
  {{- $text := kindIs "string" $value | ternary $value (toJson $value) -}}
  {{- $_ := set $set $name (replace "$" "$$" $text) -}}
{{- end -}}
{{- $named := list -}}
{{- range .workload.extraEnv -}}
  {{- $named = append $named .name -}}
{{- end -}}
{{- /* The only folder that can be written to. */ -}}
{{- if not (or (hasKey $set "HOME") (has "HOME" $named)) -}}
  {{- $_ := set $set "HOME" "/tmp" -}}
{{- end -}}
{{- range $name, $value := $set }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- with .workload.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The Secret that is mounted: the user's, or the chart's. Empty for neither. Takes root; hook: true for a migration,
     which runs before the release's own objects are there. Named by the revision, so that an upgrade that is refused
     takes nothing away from the migration that runs. */}}
{{- define "flask-app.secretName" -}}
{{- $values := .root.Values -}}
{{- if $values.secrets.existingSecret -}}
  {{- $values.secrets.existingSecret -}}
{{- else if $values.secrets.values -}}
  {{- include "flask-app.suffixed" (dict "root" .root "suffix" (.hook | default false | ternary (printf "migrations-%d" .root.Release.Revision) "secrets")) -}}
{{- end -}}
{{- end }}

{{/* A file's key in the ConfigMap: its name behind a hash of its path, since two folders may have files of one name. */}}
{{- define "flask-app.fileKey" -}}
{{- printf "%s-%s" (sha256sum . | trunc 8) (base . | replace " " "_" | trunc 200) | quote -}}
{{- end }}
