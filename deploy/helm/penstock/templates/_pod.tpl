{{- define "penstock.podSecurity" -}}
runAsNonRoot: true
{{- if semverCompare ">=1.24-0" .Capabilities.KubeVersion.Version }}
# SCC "restricted" of OpenShift 4.10 and before refuses a pod that names a profile.
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- if not (or .Values.openshift (hasKey .Values.podSecurityContext "fsGroup")) }}
fsGroup: 10001
{{- end }}
{{- with .Values.podSecurityContext }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "penstock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Resources, with local storage asked for: an emptyDir counts as such. */ -}}
{{- define "penstock.resources" -}}
{{- $storage := ternary .Values.spool.size "64Mi" (eq .Values.spool.volume "emptyDir") -}}
{{- $resources := deepCopy .Values.resources -}}
{{- $requests := default dict $resources.requests -}}
{{- if not (hasKey $requests "ephemeral-storage") }}{{ $_ := set $requests "ephemeral-storage" $storage }}{{ end -}}
{{- toYaml (set $resources "requests" $requests) -}}
{{- end }}

{{- /* With autoscaling: how many there are, else the least. Empty where no cluster can be asked (helm template, Argo
CD): a number there would undo at each sync what the autoscaler does. */ -}}
{{- define "penstock.replicas" -}}
{{- if not .Values.autoscaling.enabled -}}
{{- int .Values.replicas -}}
{{- else -}}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "penstock.fullname" .) -}}
{{- if $live -}}
{{- max (int $live.spec.replicas) (int .Values.autoscaling.minReplicas) -}}
{{- else if lookup "v1" "ConfigMap" .Release.Namespace "kube-root-ca.crt" -}}
{{- int .Values.autoscaling.minReplicas -}}
{{- end -}}
{{- end -}}
{{- end }}
