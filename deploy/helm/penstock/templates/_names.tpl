{{- define "penstock.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "penstock.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "penstock.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "penstock.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "penstock.tlsSecret" -}}
{{- default (printf "%s-tls" (include "penstock.fullname" .)) .Values.tls.existingSecret -}}
{{- end }}

{{- define "penstock.authSecret" -}}
{{- default (printf "%s-auth" (include "penstock.fullname" .)) .Values.auth.existingSecret -}}
{{- end }}

{{- define "penstock.awsSecret" -}}
{{- if .Values.aws.existingSecret -}}
{{- .Values.aws.existingSecret -}}
{{- else if .Values.aws.static.accessKeyId -}}
{{- include "penstock.fullname" . }}-aws
{{- end -}}
{{- end }}

{{- define "penstock.collector" -}}
{{- default (printf "%s-collector" (include "penstock.fullname" .)) .Values.collector.name -}}
{{- end }}

{{- define "penstock.image" -}}
{{- $repository := default (printf "%s/penstock" .Release.Namespace) .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- /* The ConfigMap with the CAs to trust, or empty. */ -}}
{{- define "penstock.caBundle" -}}
{{- if .Values.aws.caBundle.injectTrusted -}}
{{- include "penstock.fullname" . }}-trusted-ca
{{- else -}}
{{- .Values.aws.caBundle.existingConfigMap -}}
{{- end -}}
{{- end }}

{{- define "penstock.collectorNamespace" -}}
{{- default .Release.Namespace .Values.collector.namespace -}}
{{- end }}

{{- /* Whose tokens the http source takes: those listed, and that of a collector that the chart renders. */ -}}
{{- define "penstock.serviceAccounts" -}}
{{- $accounts := default list .Values.sources.http.serviceAccounts -}}
{{- if and .Values.collector.create (eq .Values.collector.forwarder "observability") -}}
{{- $accounts = append $accounts (printf "%s/%s" (include "penstock.collectorNamespace" .) (include "penstock.collector" .)) -}}
{{- end -}}
{{- toYaml ($accounts | uniq) -}}
{{- end }}

{{- /* "yes" when any enabled source asks for client certificates, else empty */ -}}
{{- define "penstock.usesClientCA" -}}
{{- range $name, $source := .Values.sources -}}
{{- if and $source.enabled $source.clientCertificates -}}yes{{- end -}}
{{- end -}}
{{- end }}

{{- /* "yes" when any enabled source, or the admin port, uses TLS, else empty */ -}}
{{- define "penstock.usesTls" -}}
{{- range $name, $source := .Values.sources -}}
{{- if and $source.enabled $source.tls -}}yes{{- end -}}
{{- end -}}
{{- if .Values.admin.secure.enabled -}}yes{{- end -}}
{{- end }}

{{- /* What other hosts reach of metrics, status and health. */ -}}
{{- define "penstock.adminPort" -}}
{{- with .Values.admin.secure -}}{{- ternary (int .port) 9880 .enabled -}}{{- end -}}
{{- end }}

{{- define "penstock.usesAuth" -}}
{{- with .Values.sources -}}
{{- if or (and .forward.enabled (or .forward.sharedKey .forward.users)) (and .http.enabled (or .http.bearerToken .http.basic)) -}}yes{{- end -}}
{{- end -}}
{{- end }}

{{- define "penstock.usesTokenReview" -}}
{{- if or .Values.admin.secure.enabled (and .Values.sources.http.enabled (include "penstock.serviceAccounts" . | fromYamlArray)) -}}yes{{- end -}}
{{- end }}

{{- /* The logging operator gives a Service, a ServiceMonitor, a ConfigMap and more names that begin with the name of a
ClusterLogForwarder, and overwrites what it finds there. Nothing of ours may have one of these names. */ -}}
{{- define "penstock.checkNames" -}}
{{- $fullname := include "penstock.fullname" . -}}
{{- if and .Values.collector.create (eq (include "penstock.collector" .) $fullname) -}}
{{- fail (printf "collector.name is %q, like the forwarder: a ClusterLogForwarder of that name makes the logging operator overwrite the forwarder's Service; choose another name" $fullname) -}}
{{- end -}}
{{- $claims := list $fullname (printf "%s-pods" $fullname) (trimPrefix "collector-" $fullname) | uniq -}}
{{- range $group := list "observability.openshift.io/v1" "logging.openshift.io/v1" -}}
{{- if $.Capabilities.APIVersions.Has (printf "%s/ClusterLogForwarder" $group) -}}
{{- range $name := $claims -}}
{{- if lookup $group "ClusterLogForwarder" $.Release.Namespace $name -}}
{{- fail (printf "ClusterLogForwarder %s (%s) in namespace %s claims the names of this release: the logging operator would overwrite Service %s with its own. Choose another release name or fullnameOverride" $name $group $.Release.Namespace $fullname) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
