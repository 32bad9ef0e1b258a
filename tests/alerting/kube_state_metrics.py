"""The metrics of kube-state-metrics that alerts and dashboard use, each with its labels beside `namespace`.

From its documentation, docs/metrics/ in github.com/kubernetes/kube-state-metrics: workload/deployment-metrics.md,
pod-metrics.md, horizontalpodautoscaler-metrics.md, cronjob-metrics.md and job-metrics.md, and
policy/poddisruptionbudget-metrics.md. All are marked stable there but
`kube_pod_init_container_status_waiting_reason` and the two `last_terminated_reason`.
"""

METRICS = {
    "kube_cronjob_created": {"cronjob"},
    "kube_cronjob_next_schedule_time": {"cronjob"},
    "kube_cronjob_status_last_successful_time": {"cronjob"},
    "kube_deployment_spec_replicas": {"deployment"},
    "kube_deployment_status_condition": {"deployment", "condition", "status", "reason"},
    "kube_deployment_status_replicas_available": {"deployment"},
    "kube_horizontalpodautoscaler_spec_max_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_spec_min_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_status_condition": {"horizontalpodautoscaler", "condition", "status"},
    "kube_horizontalpodautoscaler_status_current_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_status_desired_replicas": {"horizontalpodautoscaler"},
    "kube_job_failed": {"job_name", "condition"},
    "kube_job_status_start_time": {"job_name"},
    "kube_pod_container_resource_limits": {"pod", "container", "node", "resource", "unit", "uid"},
    "kube_pod_container_status_last_terminated_reason": {"pod", "container", "reason", "uid"},
    "kube_pod_container_status_restarts_total": {"pod", "container", "uid"},
    "kube_pod_container_status_waiting_reason": {"pod", "container", "reason", "uid"},
    "kube_pod_init_container_status_last_terminated_reason": {"pod", "container", "reason", "uid"},
    "kube_pod_init_container_status_restarts_total": {"pod", "container", "uid"},
    "kube_pod_init_container_status_waiting_reason": {"pod", "container", "reason", "uid"},
    "kube_poddisruptionbudget_status_expected_pods": {"poddisruptionbudget"},
    "kube_poddisruptionbudget_status_pod_disruptions_allowed": {"poddisruptionbudget"},
}
