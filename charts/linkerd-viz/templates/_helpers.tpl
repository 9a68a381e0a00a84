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
