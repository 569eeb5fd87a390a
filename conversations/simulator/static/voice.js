// Records a voice note where the browser can.

const TYPES = ["audio/ogg;codecs=opus", "audio/mp4", "audio/webm;codecs=opus"];

export async function startRecording() {
  // An object with stop() -> Blob and cancel(); null where there is no microphone or the person said no.
  const type = window.MediaRecorder && TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate));
  if (!type || !navigator.mediaDevices) return null;
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    return null;
  }
  const recorder = new MediaRecorder(stream, { mimeType: type });
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  recorder.start();
  const end = async () => {
    recorder.stop();
    await ended;
    stream.getTracks().forEach((track) => track.stop());
  };
  return {
    cancel: end,
    async stop() {
      await end();
      return new Blob(parts, { type: type.split(";")[0] });
    },
  };
}
