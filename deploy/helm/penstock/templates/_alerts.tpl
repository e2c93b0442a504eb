{{- /* Alerts that ask for an action; each has a section of the same name in doc/operations.md. */ -}}
{{- define "penstock.alerts" -}}
{{- $pods := printf "namespace=%q,pod=~%q" .Release.Namespace (printf "%s-[0-9]+" (include "penstock.fullname" .)) -}}
{{- $statefulset := printf "namespace=%q,statefulset=%q" .Release.Namespace (include "penstock.fullname" .) -}}
{{- $claims := printf "namespace=%q,persistentvolumeclaim=~%q" .Release.Namespace (printf "spool-%s-[0-9]+" (include "penstock.fullname" .)) -}}
{{- /* last_over_time came with the Prometheus of OpenShift 4.8; with max_over_time the alert errs on the side of asking. */ -}}
{{- $spoolBytes := mul (include "penstock.spoolMib" .) 1048576 -}}
- name: penstock.delivery
  rules:
    - alert: PenstockNotDelivering
      expr: |
        sum by (namespace, pod, stream) (penstock_events_pending{ {{- $pods -}} }) > 0
        unless
        sum by (namespace, pod, stream) (rate(penstock_events_delivered_total{ {{- $pods -}} }[5m])) > 0
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: {{ `Stream {{ $labels.stream }} receives nothing from {{ $labels.pod }}` | quote }}
        description: {{ `Events wait and none was delivered for 10 minutes. Nothing is lost while the spool has room. See PenstockNotDelivering in doc/operations.md.` | quote }}
    - alert: PenstockBacklogOld
      expr: max by (namespace, pod, stream) (penstock_oldest_pending_seconds{ {{- $pods -}} }) > {{ int .Values.monitoring.prometheusRule.backlogSeconds }}
      for: 5m
      labels: {severity: warning}
      annotations:
        summary: {{ `The oldest event for stream {{ $labels.stream }} in {{ $labels.pod }} waits for {{ $value | humanizeDuration }}` | quote }}
        description: {{ `More comes in than goes out, or the stream refuses. See PenstockBacklogOld in doc/operations.md.` | quote }}
    - alert: PenstockSpoolFillsUp
      expr: |
        sum by (namespace, pod) (penstock_spool_bytes{ {{- $pods -}} }) > {{ div $spoolBytes 4 }}
        and
        predict_linear(sum by (namespace, pod) (penstock_spool_bytes{ {{- $pods -}} })[30m:1m], 4 * 3600) > {{ $spoolBytes }}
      for: 5m
      labels: {severity: warning}
      annotations:
        summary: {{ `The spool of {{ $labels.pod }} will be full within four hours` | quote }}
        description: {{ `From then on senders are pushed back, and Fluentd collectors of Logging 5.2 to 5.9 discard what they could not send for 60 minutes. See PenstockSpoolFillsUp in doc/operations.md.` | quote }}
    - alert: PenstockSendersWillDrop
      expr: |
        kube_statefulset_status_replicas_ready{ {{- $statefulset -}} } == 0
        and on (namespace, statefulset) kube_statefulset_replicas{ {{- $statefulset -}} } > 0
      for: 20m
      labels: {severity: critical}
      annotations:
        summary: No pod takes logs; collectors start to discard in less than 40 minutes
        description: {{ `No pod has been ready for 20 minutes: all push back or are down. Fluentd collectors of Logging 5.2 to 5.9 give up after 60 minutes and lose what they hold; Vector collectors keep 256 MB per output and then stop reading files, which the nodes rotate away. See PenstockSendersWillDrop in doc/operations.md.` | quote }}
    - alert: PenstockThrottled
      expr: |
        sum by (namespace, stream) (rate(penstock_shard_throttled_total{ {{- $pods -}} }[10m]))
        > 0.05 * sum by (namespace, stream) (rate(penstock_put_records_total{ {{- $pods -}} }[10m]))
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: {{ `Kinesis throttles stream {{ $labels.stream }}` | quote }}
        description: {{ `More than 5 % of the records are refused for a shard's limits; they are sent again. See PenstockThrottled in doc/operations.md.` | quote }}
- name: penstock.loss
  rules:
    - alert: PenstockDeadLetters
      expr: sum by (namespace, pod, stream, reason) (increase(penstock_events_dead_lettered_total{ {{- $pods -}} }[15m])) > 0
      labels: {severity: warning}
      annotations:
        summary: {{ `Events became dead letters in {{ $labels.pod }}: {{ $labels.reason }}` | quote }}
        description: {{ `They are kept on the pod's volume until they are replayed. See PenstockDeadLetters in doc/operations.md.` | quote }}
    - alert: PenstockEventsDropped
      expr: sum by (namespace, pod, reason) (increase(penstock_events_dropped_total{ {{- $pods -}},reason!~"own_logs|not_selected"}[15m])) > 0
      labels: {severity: critical}
      annotations:
        summary: {{ `{{ $labels.pod }} drops events: {{ $labels.reason }}` | quote }}
        description: {{ `They are gone. See PenstockEventsDropped in doc/operations.md.` | quote }}
    {{- if eq .Values.spool.volume "persistent" }}
    - alert: PenstockRetainedVolume
      expr: |
        label_replace(
          sum by (namespace, pod) ({{ ternary "last_over_time" "max_over_time" (semverCompare ">=1.22-0" .Capabilities.KubeVersion.Version) }}(penstock_events_pending{ {{- $pods -}} }[7d])) > 0,
          "persistentvolumeclaim", "spool-$1", "pod", "(.+)")
        * on (namespace, persistentvolumeclaim) group_left ()
        (kube_persistentvolumeclaim_info{ {{- $claims -}} }
         unless on (namespace, persistentvolumeclaim) kube_pod_spec_volumes_persistentvolumeclaims_info{ {{- $claims -}} })
      for: 10m
      labels: {severity: warning}
      annotations:
        summary: {{ `Volume {{ $labels.persistentvolumeclaim }} has no pod and held undelivered events when last seen` | quote }}
        description: {{ `A pod left after a scale-down before all it held was delivered. Scaling up again delivers it. See PenstockRetainedVolume in doc/operations.md.` | quote }}
    {{- end }}
- name: penstock.access
  rules:
    - alert: PenstockCertificateExpires
      expr: min by (namespace, name) (penstock_certificate_expiry_seconds{ {{- $pods -}} }) < 604800
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: {{ `The certificate {{ $labels.name }} expires within seven days` | quote }}
        description: {{ `Senders will refuse to connect. See PenstockCertificateExpires in doc/operations.md.` | quote }}
    - alert: PenstockCredentialsExpire
      expr: min by (namespace, pod) (penstock_credentials_expiry_seconds{ {{- $pods -}} }) < 300
      for: 5m
      labels: {severity: critical}
      annotations:
        summary: {{ `The AWS credentials of {{ $labels.pod }} expire and are not renewed` | quote }}
        description: {{ `Delivery stops when they have expired; events then wait in the spool. See PenstockCredentialsExpire in doc/operations.md.` | quote }}
    - alert: PenstockSendersRefused
      expr: sum by (namespace, source, reason) (rate(penstock_auth_failures_total{ {{- $pods -}} }[5m])) > 0
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: {{ `Senders to {{ $labels.source }} are refused: {{ $labels.reason }}` | quote }}
        description: {{ `A collector with an old key, token or CA, or a stranger. See PenstockSendersRefused in doc/operations.md.` | quote }}
- name: penstock.process
  rules:
    - alert: PenstockDown
      expr: absent(penstock_build_info{ {{- $pods -}} })
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: No pod is scraped
        description: {{ `See PenstockDown in doc/operations.md.` | quote }}
    - alert: PenstockMemoryHigh
      expr: max by (namespace, pod) (penstock_memory_bytes{ {{- $pods -}} }) > {{ div (mul (include "penstock.mib" .Values.config.memory_limit) 1048576 98) 100 }}
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: {{ `{{ $labels.pod }} is at its memory limit` | quote }}
        description: {{ `It stops reading while it is there, so that the limit holds. See PenstockMemoryHigh in doc/operations.md.` | quote }}
    - alert: PenstockReloadFailed
      expr: sum by (namespace, pod) (increase(penstock_config_reloads_total{ {{- $pods -}},result="failed"}[15m])) > 0
      labels: {severity: warning}
      annotations:
        summary: {{ `{{ $labels.pod }} refused a changed configuration and runs on with the old one` | quote }}
        description: {{ `Its log names the key and the cure. See PenstockReloadFailed in doc/operations.md.` | quote }}
{{- end }}

