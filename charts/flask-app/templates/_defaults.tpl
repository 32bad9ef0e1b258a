{{/* What a value stands for that is missing or empty. Written by `make docs` from values.yaml. Lists, and
     maps in Kubernetes syntax, are empty then. `worker` and `cronJob` are one entry of workers and cronJobs, without
     what an entry inherits. */}}
{{- define "flask-app.defaults" -}}
values:
  image:
    repository: ""
    tag: ""
    digest: ""
    pullPolicy: "IfNotPresent"
  imagePullSecrets: []
  config: {}
  extraEnv: []
  extraEnvFrom: []
  secrets:
    existingSecret: ""
    values: {}
  configFiles: {}
  command: []
  args: []
  workingDir: ""
  containerPort: 5000
  extraPorts: []
  management:
    enabled: true
  resources: {}
  resizePolicy: []
  volumes: []
  volumeMounts: []
  tmpSizeLimit: "256Mi"
  persistence:
    enabled: false
    mountPath: "/data"
    existingClaim: ""
    size: "1Gi"
    accessModes: []
    storageClassName: null
    retain: true
    annotations: {}
  initContainers: []
  extraContainers: []
  lifecycle: {}
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  priorityClassName: ""
  runtimeClassName: ""
  schedulerName: ""
  hostAliases: []
  hostUsers: null
  shareProcessNamespace: null
  dnsPolicy: ""
  dnsConfig: {}
  autoscaling:
    mode: "hpa"
    minReplicas: 2
    maxReplicas: 10
    targetCPUUtilizationPercentage: 70
    targetMemoryUtilizationPercentage: 0
    metrics: []
    behavior: {}
    annotations: {}
    keda:
      triggers: []
      spec: {}
  replicaCount: 2
  shutdown:
    preStopSeconds: 10
    gracefulTimeoutSeconds: 30
    terminationGracePeriodSeconds: null
  rollout:
    strategy: "RollingUpdate"
    maxSurge: "25%"
    minReadySeconds: 5
    progressDeadlineSeconds: 600
    revisionHistoryLimit: 10
  probes:
    startup:
      enabled: true
      periodSeconds: 1
      timeoutSeconds: 2
      failureThreshold: 120
    readiness:
      enabled: true
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    liveness:
      enabled: true
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
  podDisruptionBudget:
    enabled: true
    maxUnavailable: 1
    minAvailable: null
    unhealthyPodEvictionPolicy: "AlwaysAllow"
  topologySpread:
    enabled: true
    topologyKeys: []
    whenUnsatisfiable: "ScheduleAnyway"
    constraints: []
  service:
    type: "ClusterIP"
    port: 5000
    targetPort: "http"
    nodePort: null
    appProtocol: "http"
    extraPorts: []
    annotations: {}
    labels: {}
    spec: {}
  ingress:
    enabled: false
    className: ""
    annotations: {}
    labels: {}
    hosts: []
    tls: []
  httpRoute:
    enabled: false
    parentRefs: []
    hostnames: []
    annotations: {}
    labels: {}
    rules: []
  networkPolicy:
    enabled: false
    from: []
    metricsFrom: []
    egress: []
  metrics:
    port: "management"
    path: "/metrics"
    scrapeAnnotations: false
  podMonitor:
    enabled: false
    labels: {}
    annotations: {}
    interval: ""
    endpoint: {}
  serviceMonitor:
    enabled: false
    labels: {}
    annotations: {}
    interval: ""
    endpoint: {}
  prometheusRule:
    enabled: false
    labels: {}
    annotations: {}
    alertLabels: {}
    runbookUrl: ""
    kubeStateMetrics: true
    objectives:
      availability: 99.9
      latency: 99
      latencySeconds: 0.5
      latencyExcludedRoutes: []
    disabled: []
    extraGroups: []
  dashboard:
    enabled: false
    labels: {}
    annotations: {}
  podSecurityContext: {}
  securityContext: {}
  serviceAccount:
    create: true
    name: ""
    annotations: {}
    labels: {}
    automount: false
    rules: []
  workers: {}
  cronJobs: {}
  migrations:
    enabled: false
    command: []
    args: []
    activeDeadlineSeconds: 240
    backoffLimit: 0
    terminationGracePeriodSeconds: 30
  nameOverride: ""
  fullnameOverride: ""
  commonLabels: {}
  commonAnnotations: {}
  deploymentAnnotations: {}
  extraObjects: []
  test:
    path: "/"
    image: ""
  global:
    imageRegistry: ""
    imagePullSecrets: []
    labels: {}
worker:
  command: []
  args: []
  replicaCount: 1
  autoscaling:
    mode: "fixed"
    minReplicas: 1
    maxReplicas: 10
    targetCPUUtilizationPercentage: 70
    targetMemoryUtilizationPercentage: 0
    metrics: []
    behavior: {}
    annotations: {}
    keda:
      triggers: []
      spec: {}
  podDisruptionBudget:
    enabled: true
    maxUnavailable: 1
    minAvailable: null
    unhealthyPodEvictionPolicy: "AlwaysAllow"
  terminationGracePeriodSeconds: 60
  minReadySeconds: 0
  strategy: {}
  probes: {}
cronJob:
  command: []
  args: []
  timeZone: ""
  concurrencyPolicy: "Forbid"
  suspend: false
  startingDeadlineSeconds: null
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  backoffLimit: 0
  activeDeadlineSeconds: null
  ttlSecondsAfterFinished: null
  terminationGracePeriodSeconds: 30
  probes: {}
{{- end }}
