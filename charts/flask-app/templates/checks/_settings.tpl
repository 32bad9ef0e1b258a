{{/* Settings of nodrop that contradict each other or the pod. The server refuses most of them too, but only once a rollout
     has begun. */}}
{{- define "flask-app.check.settings" -}}
{{- if .Values.management.enabled -}}
{{- $config := .Values.config -}}
{{- $graceful := .Values.shutdown.gracefulTimeoutSeconds | int -}}
{{- $stall := include "flask-app.number" (list $config "STALL_TIMEOUT" 0) | int -}}
{{- if and (gt $stall 0) (le $stall $graceful) -}}
  {{- fail (printf "config.STALL_TIMEOUT (%d) would restart pods over requests that may still finish: set it above shutdown.gracefulTimeoutSeconds (%d), or to 0 for never, or remove it for 4 x that" $stall $graceful) -}}
{{- end -}}
{{- $threads := include "flask-app.number" (list $config "WEB_THREADS" 8) | int -}}
{{- $connections := include "flask-app.number" (list $config "MAX_CONNECTIONS" 1000) | int -}}
{{- if le $connections $threads -}}
  {{- fail (printf "config.MAX_CONNECTIONS (%d) leaves threads without work: set it above WEB_THREADS (%d)" $connections $threads) -}}
{{- end -}}
{{- $timeout := include "flask-app.number" (list $config "READINESS_CHECK_TIMEOUT" 2) | int -}}
{{- $interval := include "flask-app.number" (list $config "READINESS_CHECK_INTERVAL" 5) | int -}}
{{- if gt $timeout $interval -}}
  {{- fail (printf "config.READINESS_CHECK_TIMEOUT (%d) outlasts the time between two runs: set it to READINESS_CHECK_INTERVAL (%d) or less" $timeout $interval) -}}
{{- end -}}
{{- $buffer := include "flask-app.number" (list $config "BODY_BUFFER_BYTES" "96Mi") | int64 -}}
{{- $body := include "flask-app.number" (list $config "MAX_BODY_BYTES" "16Mi") | int64 -}}
{{- if gt $body $buffer -}}
  {{- fail (printf "config.MAX_BODY_BYTES (%d bytes) could never be kept: set it to BODY_BUFFER_BYTES (%d bytes) or less" $body $buffer) -}}
{{- end -}}
{{- $workers := include "flask-app.number" (list $config "WEB_CONCURRENCY" 1) | int64 -}}
{{- $needed := mul 2 $buffer $workers -}}
{{- if gt (float64 $needed) (include "flask-app.quantity" .Values.tmpSizeLimit | float64) -}}
  {{- fail (printf "tmpSizeLimit (%s) is below what nodrop may buffer there, 2 x BODY_BUFFER_BYTES x WEB_CONCURRENCY (%d): the pod would be evicted. Set tmpSizeLimit to %dMi or more, or config.BODY_BUFFER_BYTES lower" (toString .Values.tmpSizeLimit) $workers (div (add $needed 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The number that a setting has, of seconds or of bytes, as digits. Takes a list of config, the setting's name and its
     default. */}}
{{- define "flask-app.number" -}}
{{- $given := get (first .) (index . 1) -}}
{{- $text := kindIs "string" $given | ternary (trim (toString $given)) (kindIs "invalid" $given | ternary "" (toJson $given)) | default (toString (last .)) -}}
{{- $factor := get (dict "k" 1024 "m" 1048576 "g" 1073741824 "t" 1099511627776) (regexFind "[kmgt]" (lower $text)) | default 1 -}}
{{- /* Through a float, since int64 takes a leading zero for octal. */ -}}
{{- mul (regexFind "[0-9]+" $text | float64 | int64) $factor -}}
{{- end }}
