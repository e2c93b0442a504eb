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
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- /* "yes" when any enabled source uses TLS, else empty */ -}}
{{- define "penstock.usesTls" -}}
{{- range $name, $source := .Values.sources -}}
{{- if and $source.enabled $source.tls -}}yes{{- end -}}
{{- end -}}
{{- end }}

{{- define "penstock.usesAuth" -}}
{{- with .Values.sources -}}
{{- if or (and .forward.enabled .forward.sharedKey) (and .http.enabled .http.bearerToken) -}}yes{{- end -}}
{{- end -}}
{{- end }}

{{- define "penstock.usesTokenReview" -}}
{{- if and .Values.sources.http.enabled .Values.sources.http.serviceAccounts -}}yes{{- end -}}
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
