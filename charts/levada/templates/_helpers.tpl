{{/* The name of all that belongs to the operator. */}}
{{- define "levada.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "levada" .Release.Name -}}
{{- printf "%s-operator" (.Release.Name | trunc 46 | trimSuffix "-") -}}
{{- else -}}
{{- printf "%s-levada-operator" (.Release.Name | trunc 46 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* The name is fixed: by it the workers' NetworkPolicies know the operator. */}}
{{- define "levada.selectorLabels" -}}
app.kubernetes.io/name: levada-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "levada.labels" -}}
{{ include "levada.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: levada
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Without the chart's version: a new chart alone starts no pod anew. */}}
{{- define "levada.podLabels" -}}
{{ include "levada.selectorLabels" . }}
app.kubernetes.io/part-of: levada
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "levada.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "levada.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "levada.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* Subjects of the operator's bindings. */}}
{{- define "levada.subjects" -}}
- kind: ServiceAccount
  name: {{ include "levada.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* Empty: there is no webhook. */}}
{{- define "levada.hasWebhook" -}}
{{- if and .Values.webhook.enabled (not .Values.watchNamespace) }}true{{ end -}}
{{- end -}}

{{/* The operator's settings, as the file has them. */}}
{{- define "levada.settings" -}}
{{- with .Values.kafka }}
{{- if .brokers -}}
kafka:
  brokers: {{ .brokers | quote }}
  {{- if .tls.enabled }}
  tls:
    {{- if .tls.ca }}
    ca: {{ .tls.ca | toJson }}
    {{- else }} {}
    {{- end }}
  {{- end }}
  {{- with .secretRef }}
  secretRef: {{ . | quote }}
  {{- end }}
  sasl: {{ .sasl }}
{{ end }}
{{- end -}}
{{- /* Helm has numbers as floats, and writes 1000730000 as 1.00073e+09. */ -}}
{{- $user := int64 .Values.settings.workers.userId }}
{{- $workers := dict "imagePullPolicy" .Values.image.pullPolicy "userId" $user }}
{{- mergeOverwrite (deepCopy .Values.settings) (dict "workers" $workers) | toYaml }}
{{- if include "levada.hasWebhook" . }}
{{- $name := printf "%s-webhook" (include "levada.name" .) }}
webhook:
  port: {{ .Values.webhook.port }}
  {{- if .Values.webhook.certManager.enabled }}
  certificateFolder: /etc/levada/webhook
  {{- else }}
  selfManaged:
    secret: {{ $name }}
    configuration: {{ include "levada.name" . }}
    hosts: [{{ $name }}.{{ .Release.Namespace }}.svc]
  {{- end }}
{{- end }}
{{- end -}}
