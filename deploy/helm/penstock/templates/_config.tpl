{{- /* A size ("8GiB", "10Gi", "512m", bytes) in MiB, 1024-based, rounded down. */ -}}
{{- define "penstock.mib" -}}
{{- $text := . | toString | lower -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- $unit := regexFind "[a-z]" $text -}}
{{- if eq $unit "t" -}}{{ mul $number 1048576 }}
{{- else if eq $unit "g" -}}{{ mul $number 1024 }}
{{- else if eq $unit "m" -}}{{ $number }}
{{- else if eq $unit "k" -}}{{ div $number 1024 }}
{{- else -}}{{ div $number 1048576 }}
{{- end -}}
{{- end }}

{{- /* A duration in whole seconds, rounded up. */ -}}
{{- define "penstock.seconds" -}}
{{- $text := . | toString -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- $factor := index (dict "ms" 0.001 "" 1.0 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit -}}
{{- mulf $number $factor | ceil | int64 -}}
{{- end }}

{{- /* What spool and dead letters may take together: 85 % of the volume, so that the file system keeps room to work. */ -}}
{{- define "penstock.spoolMib" -}}
{{- $allowed := div (mul (include "penstock.mib" .Values.spool.size | int64) 85) 100 -}}
{{- $deadLetters := include "penstock.mib" .Values.config.dead_letters.max_size | int64 -}}
{{- $room := sub $allowed $deadLetters -}}
{{- if .Values.spool.maxSize -}}
{{- $wanted := include "penstock.mib" .Values.spool.maxSize | int64 -}}
{{- if gt $wanted $room -}}
{{- fail (printf "spool.maxSize (%s) and config.dead_letters.max_size (%v) together exceed 85 %% of spool.size (%s): at most %dMiB are left for spool.maxSize; enlarge spool.size or lower one of them" (toString .Values.spool.maxSize) .Values.config.dead_letters.max_size .Values.spool.size $room) -}}
{{- end -}}
{{- $wanted -}}
{{- else -}}
{{- if lt $room 256 -}}
{{- fail (printf "spool.size (%s) leaves %dMiB for the spool (85 %% less config.dead_letters.max_size, %v): at least 256MiB are needed; enlarge spool.size" .Values.spool.size $room .Values.config.dead_letters.max_size) -}}
{{- end -}}
{{- $room -}}
{{- end -}}
{{- end }}

{{- define "penstock.checkValues" -}}
{{- if not .Values.aws.region -}}
{{- fail "aws.region is required, e.g. --set aws.region=us-east-1" -}}
{{- end -}}
{{- if not .Values.config.streams -}}
{{- fail "config.streams is empty: name at least one stream, e.g. --set config.streams.all.name=my-stream" -}}
{{- end -}}
{{- if and (not .Values.config.routes) (gt (len .Values.config.streams) 1) -}}
{{- fail "config.routes is empty but there are several streams: say what goes where, e.g. config.routes: [{log_type: audit, stream: audit}]" -}}
{{- end -}}
{{- $streams := .Values.config.streams -}}
{{- range $i, $route := .Values.config.routes -}}
{{- if not (hasKey $streams $route.stream) -}}
{{- fail (printf "config.routes[%d].stream is %q, which is not in config.streams (%s)" $i $route.stream (keys $streams | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- range $name, $stream := $streams -}}
{{- if not (or $stream.name $stream.arn $stream.firehose) -}}
{{- fail (printf "config.streams.%s needs one of name, arn, firehose" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.openshift) (include "penstock.usesTls" .) (not .Values.tls.existingSecret) -}}
{{- fail "openshift is false, so no service CA makes a certificate: give tls.existingSecret, or sources.*.tls=false and admin.secure.enabled=false" -}}
{{- end -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString -}}
{{- if $limit -}}
{{- if le (include "penstock.mib" $limit | int64) (include "penstock.mib" .Values.config.memory_limit | int64) -}}
{{- fail (printf "resources.limits.memory (%s) must be above config.memory_limit (%v): the kernel would kill the process before its own limit is reached" $limit .Values.config.memory_limit) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- range $name, $source := .Values.sources -}}
{{- if and $source.enabled $source.clientCertificates (not (and $source.tls $.Values.tls.clientCA.existingConfigMap)) -}}
{{- fail (printf "sources.%s.clientCertificates needs sources.%s.tls and tls.clientCA.existingConfigMap" $name $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.aws.caBundle -}}
{{- if and .injectTrusted .existingConfigMap -}}
{{- fail "give only one of aws.caBundle.injectTrusted, aws.caBundle.existingConfigMap" -}}
{{- end -}}
{{- end -}}
{{- $identities := list -}}
{{- if .Values.aws.existingSecret }}{{ $identities = append $identities "aws.existingSecret" }}{{ end -}}
{{- if .Values.aws.role.arn }}{{ $identities = append $identities "aws.role.arn" }}{{ end -}}
{{- if .Values.aws.static.accessKeyId }}{{ $identities = append $identities "aws.static" }}{{ end -}}
{{- if gt (len $identities) 1 -}}
{{- fail (printf "give only one of %s" (join ", " $identities)) -}}
{{- end -}}
{{- end }}

{{- /* The `tls` of one source. Called with (list ROOT SOURCE). */ -}}
{{- define "penstock.sourceTls" -}}
{{- $root := index . 0 -}}
{{- $tls := dict "cert" "/var/run/secrets/penstock/tls/tls.crt" "key" "/var/run/secrets/penstock/tls/tls.key" -}}
{{- if ne $root.Values.tls.minVersion "1.2" }}{{ $_ := set $tls "min_version" $root.Values.tls.minVersion }}{{ end -}}
{{- with $root.Values.tls.ciphers }}{{ $_ := set $tls "ciphers" . }}{{ end -}}
{{- if (index . 1).clientCertificates }}{{ $_ := set $tls "client_ca" (printf "/etc/penstock-client-ca/%s" $root.Values.tls.clientCA.key) }}{{ end -}}
{{- toYaml $tls -}}
{{- end }}

{{- /* Users as penstock.yaml has them: a password is a key of the Secret of `auth`. */ -}}
{{- define "penstock.users" -}}
{{- $users := list -}}
{{- range . }}{{ $users = append $users (dict "name" .name "password_file" (printf "/var/run/secrets/penstock/auth/%s" .passwordKey)) }}{{ end -}}
{{- toYaml $users -}}
{{- end }}

{{- define "penstock.sources" -}}
{{- $auth := "/var/run/secrets/penstock/auth" -}}
{{- $address := .Values.listenAddress -}}
{{- $sources := list -}}
{{- with .Values.sources.forward -}}
{{- if .enabled -}}
{{- $source := dict "listen" (printf "%s:%d" $address (int .port)) "max_connections" (int .maxConnections) "max_message" (toString .maxMessage) "max_connection_age" (toString .maxConnectionAge) -}}
{{- if .tls }}{{ $_ := set $source "tls" (include "penstock.sourceTls" (list $ .) | fromYaml) }}{{ end -}}
{{- if .sharedKey }}{{ $_ := set $source "shared_key_files" (list (printf "%s/shared_key" $auth) (printf "%s/shared_key_previous" $auth)) }}{{ end -}}
{{- with .users }}{{ $_ := set $source "users" (include "penstock.users" . | fromYamlArray) }}{{ end -}}
{{- $sources = append $sources (dict "forward" $source) -}}
{{- end -}}
{{- end -}}
{{- with .Values.sources.http -}}
{{- if .enabled -}}
{{- $source := dict "listen" (printf "%s:%d" $address (int .port)) "max_connections" (int .maxConnections) "max_body" (toString .maxBody) "ack_timeout" (toString .ackTimeout) -}}
{{- if .tls }}{{ $_ := set $source "tls" (include "penstock.sourceTls" (list $ .) | fromYaml) }}{{ end -}}
{{- $ways := dict -}}
{{- if .bearerToken }}{{ $_ := set $ways "bearer_token_files" (list (printf "%s/http_token" $auth) (printf "%s/http_token_previous" $auth)) }}{{ end -}}
{{- with .basic }}{{ $_ := set $ways "basic" (include "penstock.users" . | fromYamlArray) }}{{ end -}}
{{- with include "penstock.serviceAccounts" $ | fromYamlArray }}{{ $_ := set $ways "service_accounts" . }}{{ end -}}
{{- if $ways }}{{ $_ := set $source "auth" $ways }}{{ end -}}
{{- $sources = append $sources (dict "http" $source) -}}
{{- end -}}
{{- end -}}
{{- with .Values.sources.syslog -}}
{{- if .enabled -}}
{{- $source := dict "listen" (printf "%s:%d" $address (int .port)) "udp" .udp "max_message" (toString .maxMessage) "unwrap_json" .unwrapJson -}}
{{- if .tls }}{{ $_ := set $source "tls" (include "penstock.sourceTls" (list $ .) | fromYaml) }}{{ end -}}
{{- $sources = append $sources (dict "syslog" $source) -}}
{{- end -}}
{{- end -}}
{{- if not $sources -}}
{{- fail "all sources are disabled: enable at least one of sources.forward, sources.http, sources.syslog" -}}
{{- end -}}
{{- toYaml $sources -}}
{{- end }}

{{- define "penstock.routes" -}}
{{- if .Values.config.routes -}}
{{- toYaml .Values.config.routes -}}
{{- else -}}
- stream: {{ keys .Values.config.streams | first }}
{{- end -}}
{{- end }}

{{- /* penstock.yaml */ -}}
{{- define "penstock.config" -}}
{{- include "penstock.checkValues" . -}}
sources:
{{ include "penstock.sources" . | indent 2 }}
routes:
{{ include "penstock.routes" . | indent 2 }}
streams:
{{ toYaml .Values.config.streams | indent 2 }}
spool:
  directory: /var/lib/penstock
  max_size: {{ include "penstock.spoolMib" . }}MiB
  when_full: {{ .Values.spool.whenFull }}
dead_letters:
{{ toYaml .Values.config.dead_letters | indent 2 }}
dedup:
{{ toYaml .Values.config.dedup | indent 2 }}
ack: {{ .Values.config.ack }}
memory_limit: {{ .Values.config.memory_limit }}
drain_timeout: {{ .Values.config.drain_timeout }}
ignore_own_logs: {{ .Values.config.ignore_own_logs }}
admin:
  {{- if .Values.admin.secure.enabled }}
  listen: {{ printf "%s:9880" (ternary "[::1]" "127.0.0.1" (hasPrefix "[" .Values.listenAddress)) | quote }}
  secure:
    listen: {{ printf "%s:%d" .Values.listenAddress (int .Values.admin.secure.port) | quote }}
    tls: {{- include "penstock.sourceTls" (list . dict) | nindent 6 }}
    auth:
      service_accounts: {{- toYaml .Values.admin.secure.serviceAccounts | nindent 8 }}
  {{- else }}
  listen: {{ printf "%s:9880" .Values.listenAddress | quote }}
  {{- end }}
{{- $aws := deepCopy .Values.config.aws }}
{{- if include "penstock.caBundle" . }}
{{- $_ := set $aws "ca_bundle" (printf "/etc/penstock-ca/%s" .Values.aws.caBundle.key) }}
{{- end }}
{{- if $aws }}
aws:
{{ toYaml $aws | indent 2 }}
{{- end }}
{{- end }}

{{- /* Changes only when something changes that a reload cannot take up (listen, directory, memory_limit). */ -}}
{{- define "penstock.restartHash" -}}
{{- $ports := list -}}
{{- range $name, $source := .Values.sources -}}
{{- $ports = append $ports (printf "%s %v %v %v" $name $source.enabled $source.port $source.tls) -}}
{{- end -}}
{{- if .Values.admin.secure.enabled }}{{ $ports = append $ports (printf "admin %v" .Values.admin.secure.port) }}{{ end -}}
{{- printf "%s %s %v" .Values.listenAddress (join "," $ports) .Values.config.memory_limit | sha256sum | trunc 16 -}}
{{- end }}
