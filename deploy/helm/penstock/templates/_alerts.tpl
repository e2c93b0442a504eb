{{- /* The groups of alerts/penstock.yaml, with what is particular about this release. */ -}}
{{- define "penstock.alerts" -}}
{{- $fullname := include "penstock.fullname" . -}}
{{- $namespace := printf "namespace=%q" .Release.Namespace -}}
{{- /* last_over_time came with the Prometheus of OpenShift 4.8; with max_over_time the alert errs on the side of asking. */ -}}
{{- $lastOverTime := ternary "last_over_time" "max_over_time" (semverCompare ">=1.22-0" .Capabilities.KubeVersion.Version) -}}
{{- /* Certificates of the service CA are renewed an hour before they expire, others by people. */ -}}
{{- $certificateSeconds := ternary "604800" "1800" (ne .Values.tls.existingSecret "") -}}
{{- $text := .Files.Get "alerts/penstock.yaml"
    | replace "PODS" (printf "%s,pod=~%q" $namespace (printf "%s-[0-9]+" $fullname))
    | replace "STATEFULSET" (printf "%s,statefulset=%q" $namespace $fullname)
    | replace "CLAIMS" (printf "%s,persistentvolumeclaim=~%q" $namespace (printf "spool-%s-[0-9]+" $fullname))
    | replace "LAST_OVER_TIME" $lastOverTime
    | replace "BACKLOG_SECONDS" (.Values.monitoring.prometheusRule.backlogSeconds | int | toString)
    | replace "CERTIFICATE_SECONDS" $certificateSeconds -}}
{{- $groups := (fromYaml $text).groups -}}
{{- $persistent := eq .Values.spool.volume "persistent" -}}
{{- $runbook := .Values.monitoring.prometheusRule.runbookUrl | default "doc/operations.md" -}}
{{- range $group := $groups -}}
{{- $rules := list -}}
{{- range $rule := $group.rules -}}
{{- if or $persistent (ne $rule.alert "PenstockRetainedVolume") -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s#%s" $runbook (lower $rule.alert)) -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- $_ := set $group "rules" $rules -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end }}
