{{- define "turn.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "turn.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "turn.labels" -}}
{{ include "turn.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "turn.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "turn.secret" -}}
{{- .Values.existingSecret | default (printf "%s-secret" (include "turn.fullname" .)) -}}
{{- end -}}

{{/* Ports that one pod takes: plain, TLS, the shared relay port, and those of further relays. */}}
{{- define "turn.portsPerPod" -}}
{{- add 3 (.Values.ports.relaysPerPod | int) -}}
{{- end -}}

{{/* Refuses, with a sentence, what cannot work. */}}
{{- define "turn.check" -}}
{{- $_ := required "Set realm: the realm of the credentials, usually the domain." .Values.realm -}}
{{- if eq (empty .Values.secret) (empty .Values.existingSecret) -}}
{{- fail "Set one of secret and existingSecret: what the issuer of credentials shares with the server." -}}
{{- end -}}
{{- $pods := .Values.replicaCount | int -}}
{{- $ports := mul $pods (include "turn.portsPerPod" . | int) | int -}}
{{- $first := .Values.ports.base | int -}}
{{- if and (eq .Values.exposure "nodePort") (or (lt $first 30000) (gt (add $first $ports) 32768)) -}}
{{- fail (printf "ports.base and the %d ports from it have to lie within 30000-32767, the ports that a cluster gives to NodePort." $ports) -}}
{{- end -}}
{{- if and (eq .Values.exposure "loadBalancer") (lt (len .Values.publicAddresses) $pods) -}}
{{- fail (printf "publicAddresses has to name the address of each of the %d load balancers, in the order of the pods." $pods) -}}
{{- end -}}
{{- end -}}
