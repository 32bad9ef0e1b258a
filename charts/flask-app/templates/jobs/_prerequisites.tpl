{{/* The ServiceAccount of the migration: one of its own, since the release's is not there before the first install. */}}
{{- define "flask-app.migrationServiceAccount" -}}
{{- .Values.serviceAccount.create | ternary (include "flask-app.suffixed" (dict "root" . "suffix" "migrations")) (include "flask-app.serviceAccountName" .) -}}
{{- end }}

{{/* Metadata of what a migration needs: made anew before each, and removed after it. Takes root, name, labels and annotations. */}}
{{- define "flask-app.migrationPrerequisite" -}}
{{- $hook := dict "helm.sh/hook" "pre-install,pre-upgrade" "helm.sh/hook-weight" "-5" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded,hook-failed" -}}
{{- include "flask-app.metadata" (dict "root" .root "name" .name "component" "migration" "labels" .labels "annotations" (merge $hook (.annotations | default dict))) -}}
{{- end }}
