{{- /* Labels of every object. */ -}}
{{- define "viz.labels" -}}
linkerd.io/extension: viz
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "viz.version" -}}
{{ default .Chart.AppVersion .Values.linkerdVersion }}
{{- end -}}

{{- define "viz.createdBy" -}}
linkerd.io/created-by: linkerd/cli {{ include "viz.version" . }}
{{- end -}}

{{- /* What the pods of all deployments have in common. */ -}}
{{- define "viz.pod" -}}
nodeSelector:
  {{- toYaml .Values.nodeSelector | nindent 2 }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "viz.restricted" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* A certificate as YAML of crt, key and ca in base64: that of `values`, or one for `host` and a year. */ -}}
{{- define "viz.tls" -}}
{{- $crt := .values.crtPEM }}
{{- $key := .values.keyPEM }}
{{- $ca := default $crt .values.caBundle }}
{{- if not (or $crt .values.externalSecret) }}
{{- $made := genSelfSignedCertWithKey .host nil (list .host) 365 (genPrivateKey "ecdsa") }}
{{- $crt = $made.Cert }}
{{- $key = $made.Key }}
{{- $ca = $made.Cert }}
{{- end -}}
crt: {{ $crt | trim | b64enc | quote }}
key: {{ $key | trim | b64enc | quote }}
ca: {{ $ca | trim | b64enc | quote }}
{{- end -}}

{{- /* The Secret of the certificate `tls`. */ -}}
{{- define "viz.tls.secret" -}}
kind: Secret
apiVersion: v1
metadata:
  name: {{ .name }}-k8s-tls
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "viz.labels" .root | nindent 4 }}
type: kubernetes.io/tls
data:
  tls.crt: {{ .tls.crt }}
  tls.key: {{ .tls.key }}
{{- end -}}
