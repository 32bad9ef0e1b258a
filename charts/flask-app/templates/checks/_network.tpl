{{/* Ports, the Service, and the ways in. */}}
{{- define "flask-app.check.network" -}}
{{- $ports := dict "http" (int .Values.containerPort) -}}
{{- if .Values.management.enabled -}}
  {{- if eq (int .Values.containerPort) 5001 -}}
    {{- fail "containerPort (5001) is the management port: choose another" -}}
  {{- end -}}
  {{- $_ := set $ports "management" 5001 -}}
{{- end -}}
{{- range $index, $port := .Values.extraPorts -}}
  {{- if hasKey $ports (.name | default "") -}}
    {{- fail (printf "extraPorts[%d].name (%s) is taken: rename the port" $index .name) -}}
  {{- end -}}
  {{- if and (has (int .containerPort) (values $ports)) (eq (.protocol | default "TCP") "TCP") -}}
    {{- fail (printf "extraPorts[%d].containerPort (%v) is taken: choose another" $index .containerPort) -}}
  {{- end -}}
  {{- $_ := set $ports (.name | default (printf "#%d" $index)) (int .containerPort) -}}
{{- end -}}
{{- range $probe, $spec := .Values.probes -}}
  {{- range $handler := list "httpGet" "tcpSocket" -}}
    {{- $port := dig $handler "port" "" $spec -}}
    {{- if and (kindIs "string" $port) $port (not (hasKey $ports $port)) -}}
      {{- fail (printf "probes.%s.%s.port (%s) is the name of no port of the server container: set it to one of %s" $probe $handler $port (keys $ports | sortAlpha | join ", ")) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- include "flask-app.check.service" (dict "root" . "ports" (keys $ports)) -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
  {{- fail "ingress.hosts is empty: set it, such as [{host: shop.example}]" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
  {{- fail "httpRoute.parentRefs is empty: name the Gateway to attach to, such as [{name: public, namespace: gateways}]" -}}
{{- end -}}
{{- end }}

{{/* The Service. Takes root, and ports: the names of the server container's. */}}
{{- define "flask-app.check.service" -}}
{{- $names := .ports -}}
{{- range concat .root.Values.extraContainers .root.Values.initContainers -}}
  {{- range .ports -}}
    {{- $names = append $names (.name | default "") -}}
  {{- end -}}
{{- end -}}
{{- with .root.Values.service -}}
{{- if and (kindIs "string" .targetPort) (not (has .targetPort $names)) -}}
  {{- fail (printf "service.targetPort (%s) is the name of no container's port: set it to http, or to the name of a port in extraPorts or extraContainers" .targetPort) -}}
{{- end -}}
{{- $seen := list "http" -}}
{{- $numbers := list (int .port) -}}
{{- range $index, $port := .extraPorts -}}
  {{- if and (kindIs "string" .targetPort) (not (has .targetPort $names)) -}}
    {{- fail (printf "service.extraPorts[%d].targetPort (%s) is the name of no container's port: set it to the name of a port in extraPorts or extraContainers" $index .targetPort) -}}
  {{- end -}}
  {{- if not .name -}}
    {{- fail (printf "service.extraPorts[%d] has no name, which Kubernetes requires of each port where there are several: set it" $index) -}}
  {{- end -}}
  {{- if has .name $seen -}}
    {{- fail (printf "service.extraPorts[%d].name (%s) is taken: rename the port" $index .name) -}}
  {{- end -}}
  {{- if and (has (int .port) $numbers) (eq (.protocol | default "TCP") "TCP") -}}
    {{- fail (printf "service.extraPorts[%d].port (%v) is taken: choose another" $index .port) -}}
  {{- end -}}
  {{- $seen = append $seen .name -}}
  {{- $numbers = append $numbers (int .port) -}}
{{- end -}}
{{- if and (eq .type "ClusterIP") .nodePort -}}
  {{- fail "service.nodePort needs service.type NodePort or LoadBalancer: set one, or remove it" -}}
{{- end -}}
{{- if and (eq .type "ClusterIP") .spec.externalTrafficPolicy -}}
  {{- fail "service.spec.externalTrafficPolicy needs service.type NodePort or LoadBalancer: set one, or remove it" -}}
{{- end -}}
{{- range $field := list "loadBalancerClass" "loadBalancerIP" "loadBalancerSourceRanges" "allocateLoadBalancerNodePorts" -}}
  {{- if and (ne $.root.Values.service.type "LoadBalancer") (not (kindIs "invalid" (index $.root.Values.service.spec $field))) -}}
    {{- fail (printf "service.spec.%s needs service.type LoadBalancer: set it, or remove the field" $field) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
