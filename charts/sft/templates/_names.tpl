{{- define "sft.fullname" -}}
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

{{- define "sft.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sft.labels" -}}
{{ include "sft.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sft.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The most pods there can ever be: each has a route, and ports of its own. */}}
{{- define "sft.mostPods" -}}
{{- if .Values.autoscaling.enabled }}{{ .Values.autoscaling.maxReplicas | int }}{{ else }}{{ .Values.replicaCount | int }}{{ end -}}
{{- end -}}

{{- define "sft.tokenSecret" -}}
{{- if .Values.sftTokenExistingSecret }}{{ .Values.sftTokenExistingSecret }}{{ else if .Values.sftTokenSecret }}{{ include "sft.fullname" . }}-token{{ end -}}
{{- end -}}

{{- define "sft.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "sft.fullname" .)) -}}
{{- end -}}

{{/* Refuses, with a sentence, what cannot work or means something else here than in Wire's chart. */}}
{{- define "sft.check" -}}
{{- $_ := required "Set host: the name under which clients reach the conference servers." .Values.host -}}
{{- $_ := required "Set allowOrigin: the origin of the web application that may call, such as https://app.example.org." .Values.allowOrigin -}}
{{- if .Values.multiSFT.enabled -}}
{{- fail "multiSFT links Wire's servers through TURN servers, which this server does not do. Set federation.enabled instead: see docs/FEDERATION.md." -}}
{{- end -}}
{{- if (.Values.coredumps).enabled -}}
{{- fail "coredumps.enabled has no meaning here: the root file system of a pod cannot be written to. Unset it." -}}
{{- end -}}
{{- $tls := 0 -}}
{{- if .Values.tls.existingSecret }}{{ $tls = add1 $tls }}{{ end -}}
{{- if .Values.tls.issuerRef }}{{ $tls = add1 $tls }}{{ end -}}
{{- if or .Values.tls.key .Values.tls.crt }}{{ $tls = add1 $tls }}{{ end -}}
{{- if ne (int $tls) 1 -}}
{{- fail "Set one of tls.key with tls.crt, tls.issuerRef, and tls.existingSecret: clients call over HTTPS only." -}}
{{- end -}}
{{- if ne (empty .Values.tls.key) (empty .Values.tls.crt) -}}
{{- fail "Set tls.key and tls.crt together." -}}
{{- end -}}
{{- $pods := include "sft.mostPods" . | int -}}
{{- $ports := mul $pods (.Values.media.threads | int) | int -}}
{{- $media := .Values.media.basePort | int -}}
{{- if and (eq .Values.media.exposure "nodePort") (or (lt $media 30000) (gt (add $media $ports) 32768)) -}}
{{- fail (printf "media.basePort and the %d ports from it have to lie within 30000-32767, the ports that a cluster gives to NodePort." $ports) -}}
{{- end -}}
{{- if and (eq .Values.media.exposure "loadBalancer") (lt (len .Values.media.publicAddresses) $pods) -}}
{{- fail (printf "media.publicAddresses has to name the address of each of the %d load balancers, in the order of the pods: clients are told it." $pods) -}}
{{- end -}}
{{- if .Values.federation.enabled -}}
{{- $_ := required "Set federation.existingSecret: a Secret with tls.crt and tls.key for host." .Values.federation.existingSecret -}}
{{- $_ := required "Set federation.authority: the PEM text of the authorities of other servers." .Values.federation.authority -}}
{{- $_ := required "Set federation.domains: the domains with whose servers conferences are shared." (first .Values.federation.domains) -}}
{{- $links := .Values.federation.basePort | int -}}
{{- if and (eq .Values.media.exposure "nodePort") (or (lt $links 30000) (gt (add $links $ports) 32768)) -}}
{{- fail (printf "federation.basePort and the %d ports from it have to lie within 30000-32767." $ports) -}}
{{- end -}}
{{- if and (lt $links (add $media $ports | int)) (lt $media (add $links $ports | int)) -}}
{{- fail (printf "media.basePort and federation.basePort have to be %d apart, so that no port is used twice." $ports) -}}
{{- end -}}
{{- end -}}
{{- end -}}
