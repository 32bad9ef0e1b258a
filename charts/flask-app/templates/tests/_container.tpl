{{/* The container of `helm test`: one request to the Service. */}}
{{- define "flask-app.testContainer" -}}
- name: request
  image: {{ .Values.test.image | default (include "flask-app.image" .) | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
  {{- /* The image has no curl, and needs none. */}}
  command:
    - python
    - -c
    - |
      import sys, urllib.request
      with urllib.request.urlopen(sys.argv[1], timeout=10) as response:
          print(sys.argv[1], response.status, response.read(1000))
          sys.exit(response.status != 200)
    - {{ printf "http://%s:%d%s" (include "flask-app.fullname" .) (int .Values.service.port) .Values.test.path | quote }}
  resources:
    requests: { cpu: 10m, memory: 32Mi }
    limits: { memory: 64Mi }
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
