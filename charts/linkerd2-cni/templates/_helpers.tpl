{{- define "cni.labels" -}}
linkerd.io/cni-resource: "true"
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "cni.image" -}}
image: {{ .Values.image.name }}:{{ default .Chart.AppVersion .Values.image.version }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}
