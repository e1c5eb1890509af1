"""What counts as a refusal: phrasings as models write them, against captions that only look like one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.refusals import is_refusal

REFUSALS = """
I'm sorry, but I can't assist with that.
I’m sorry, but I can’t help with that request.
I'm sorry, I can't assist with that request.
Sorry, I can't help with identifying people in images.
I'm sorry, but I cannot provide a description of this image.
I cannot help with that.
I can't help with that.
I cannot assist with this request.
I can't assist.
I'm unable to assist with that.
I am unable to view images.
I'm unable to view or analyze images directly.
I'm not able to describe this image.
I am not able to provide a description of the image as it contains explicit content.
I apologize, but I cannot describe this image.
I apologize for any inconvenience. However, I'm unable to process the image.
My apologies, but I'm not able to help with that.
As an AI language model, I cannot view images.
As an AI, I don't have the ability to see images.
As a text-based AI, I am unable to see the picture.
As an AI assistant, I'm not able to identify people in photos.
As a language model, I can't see pictures.
I'm just an AI, I can't see images.
I'm an AI language model and cannot view images.
I am a text-based AI and do not have the ability to view pictures.
Unable to process the image.
Unable to provide a description.
Unable to comply with this request.
Unable to assist with that.
Unfortunately, I cannot fulfill this request.
Unfortunately, I am not able to see the image you have attached.
I don't see an image attached to your message.
I don't see any image. Could you please upload it?
I do not see the image in our conversation.
There is no image attached.
There's no image provided.
It looks like no image was attached.
It seems that the image did not load.
It appears there is no image attached. Please upload it.
No image was provided.
Please provide an image for me to describe.
Please upload the picture so that I can describe it.
I must decline to describe this picture.
I respectfully decline.
I won't describe this content.
I will not generate a caption for this image.
I'm not comfortable describing this image.
I can't provide a caption for this image.
I can't describe that.
I can't do that.
I can’t identify who this is.
I can't identify the people in this image, but I can describe what I see.
I don't have the ability to view images.
I do not have the capability to see images.
Your request was rejected as a result of our safety system.
This content violates our usage policies.
This request goes against my guidelines.
The image could not be loaded.
It's not possible for me to describe this image.
That's not something I can help with.
I'm sorry, but that's not something I can do.
I'm sorry.
Sorry!
I'm sorry. I can't help with that.
Thank you for sharing this image. Unfortunately, I can't describe it.
Hello! I'm sorry, but I can't assist with that.
**I'm sorry, but I can't help with that.**
"I'm sorry, but I can't assist with that."
“I’m sorry, but I can’t assist with that.”
Caption: I'm sorry, but I can't help with this.
I’m really sorry, but I can’t assist with that.
I am afraid I can't do that.
I'm afraid I cannot describe this picture.
I regret that I cannot assist with this.
Sorry, but I can't continue with that.
Can't assist with that.
I can't engage with this content.
I'd rather not describe this image.
I'm sorry, but the image you provided cannot be displayed.
I couldn't open the image.
I'm currently unable to process images.
I can't actually see the image you're referring to.
I understand your request. However, I can't help with it.
Sorry, no image was provided.
I'm sorry, but this image contains content that violates our policies.
I was unable to load the image.
I do not feel comfortable describing this image.
I'm not going to describe this image.
I can't help you with that.
I cannot generate captions for images of real people.
I cannot create content that sexualizes minors.
I can't share a description of this.
I'm designed to be helpful, but I can't describe this image.
Image not available.
I'm sorry, but I'm not able to provide assistance with that request.
I apologize, but I do not feel comfortable providing a description of the people in this image.
I apologize, but I cannot identify or name any individuals in images.
I will not identify the person in the image.
I don't feel comfortable describing this image.
I'm sorry, but I cannot see the image you are referring to as I'm a text-based AI model.
As a responsible AI, I cannot describe this image.
As a large language model, I'm unable to directly view images.
I’m not able to help with that, as I’m only a language model.
I'm just a language model, so I can't help you with that.
I'm a language model and don't have the capacity to help with that.
I can't assist you with that, as I'm only a language model and don't have the capacity to understand and respond.
I'm still learning how to interpret images, so I'm not able to help with that.
Sorry, I can't help with images of people yet.
It is not appropriate for me to describe this image.
I must respectfully decline.
I'm afraid I can't assist with that request.
I'm sorry, but as an AI language model, I don't have the ability to see images.
Sorry - I cannot process this.
I can’t provide that.
I can't create explicit content, but I'd be happy to help you with something else.
I'm sorry, but no image was attached.
I'm having trouble viewing the image.
I do not have access to the image.
I don't have access to images.
I need to decline this request.
Apologies, but the photo you uploaded failed to load.
I can't process images.
I can't generate a description for this image because it may violate the policy.
The image you uploaded cannot be processed.
I'm sorry, I can't see any image.
I cannot see the picture.
The provided image is blank, so I cannot describe it.
I'm sorry, but it seems there is no image provided for me to describe.
I'm sorry, this image may contain sensitive content, so I will not describe it.
I can't discuss this.
""".strip().splitlines()

CAPTIONS = """
The sign says 'I'm sorry'.
A sign says "I'm sorry, but I can't help you".
A man who cannot see is led by a dog.
"I'm sorry" is written on the wall in red paint.
'Sorry, I can't come' reads the note on the fridge.
I'm sorry, reads the note on the fridge.
"Unable to connect", says the screen of the laptop.
Unable to reach the shelf, a boy stands on a chair.
Unable to help himself, the dog eats the cake.
Unable to view the picture, a child stands on tiptoe.
Unable to see the picture, a child stands on her father's shoulders.
Unable to provide for her family, a woman sells flowers.
I can't help but notice the warm colours of the sky.
I can't see his face, but he wears a red coat.
I cannot see any people in this picture; it shows an empty beach.
I can't describe how blue the water is.
I can't believe how many birds there are.
As an AI-generated image, it shows a city of glass.
As an airplane passes overhead, a boy waves.
As an aid to walking, the man holds a cane.
An apology is written on the board: "I'm sorry, I can't assist with that."
There is no image on the screen of the old television.
The image shows a man who is unable to open the door.
The image was provided by NASA and shows the moon.
The image is a photograph of a cat.
No image is shown on the screen.
A robot with the words "As an AI, I cannot" on its chest stands in a field.
A help desk with a queue of people. One man is sorry.
Two children are sorry and cannot look at their mother.
Sorry-looking flowers stand in a vase.
A sorry dog sits in the rain. It cannot come in.
Unfortunately for the fisherman, the boat is sinking.
Please keep off the grass, says the sign.
Please provide a ticket, reads the poster.
The man cannot lift the box.
No one can help the car out of the mud.
A woman declines a glass of wine.
I see a cat on a mat.
In this image, I can see a dog. I can't identify its breed.
The image shows a woman. I'm sorry, but I can't identify her.
A person holds a phone. The phone shows "Unable to load image".
The picture is unavailable to the public and hangs behind glass.
This image goes against a black background.
The image is against a white wall.
The content of the box is not visible.
Sure! The image shows a man on a bench who can't find his keys.
The photo provided shows a man.
The picture was given to the museum in 1920.
Your image here, says the billboard.
The image provided shows a dog.
The image included in the frame shows a ship.
The attached image shows a dog.
No picture hangs on the wall.
Hello Kitty stands beside a red house. It cannot be opened.
Hi-fi speakers stand on a shelf. I cannot provide more.
Afraid of the dog, a cat sits in a tree and does not come down.
Afraid of the picture, a child hides behind his mother and does not look.
The image can be divided into three parts.
The image uploaded shows a bridge.
This image contains a man with a beard.
Thanks to the light, the image has a warm tone. It can't be seen where the road ends.
I can see a dog and two cats in this image.
We cannot see the dog's tail, as it is behind the sofa.
We cannot see the image reflected in the mirror clearly.
In the foreground, a sign cannot be read.
The man is not allowed to enter.
It looks like a painting of a woman.
It seems that the picture was taken at night.
It appears that no one is in the room.
No images hang on the wall.
The photo is not in focus, but it shows a horse.
The image is not clear, but it shows a horse.
The image has not been edited and shows a lake.
The image isn't in colour.
An AI assistant robot holds a sign that says it cannot help.
As a language teacher writes on the board, a model of a ship cannot be seen.
A poster reads: "Please provide the image".
This is a photo of a dog that does not want to move.
Sorry state of a house: the windows are not there, and the roof is open. I can see two birds.
A file cabinet that cannot be opened stands against the wall.
The file is not open.
I must say this is a fine picture.
Help is not available.
Caption: A dog that can't swim.
"Sorry, we're closed. We can't help you." A sign in a shop window.
“I can’t do that” is printed on the shirt of the man.
A red stop sign.
As the model AI-42 walks, my eye cannot leave it.
Sure, here is the description: a man who cannot swim stands by the lake.
Thank you notes stand on a table. I can't help but notice the ink.
There is no picture in the frame.
There's no photo in the album shown on the table.
Hello! This image shows a man who is not able to see the picture.
The sky is grey, so I can't tell the time of day.
This content creator is not at her desk.
""".strip().splitlines()


@pytest.mark.parametrize("text", REFUSALS)
def test_a_model_that_declines(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", CAPTIONS)
def test_a_caption_that_looks_like_a_refusal(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize("text", ["", "  ", "...", "\n\n", '"', "'", "\ud800", "**"])
def test_a_text_without_words_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)


def test_only_the_beginning_counts() -> None:
    refusal, caption = "I'm sorry, but I can't help with that.", "A red dog lies on a mat."
    assert not is_refusal(f"{caption} {refusal}")
    assert is_refusal(f"{refusal} {caption}")
    assert is_refusal(f"Thank you for the picture. {refusal} {caption}")
    assert not is_refusal(f"Thank you for the picture. {caption} {refusal}")


@given(st.sampled_from(CAPTIONS), st.sampled_from(REFUSALS))
def test_what_follows_a_caption_never_makes_it_a_refusal(caption: str, refusal: str) -> None:
    assert not is_refusal(f"A red dog lies on a mat. {caption} {refusal}")


@given(st.sampled_from(REFUSALS), st.sampled_from(["\n", " ", "**", "> ", "\u00a0", "# "]))
def test_marks_and_white_space_around_it_change_nothing(refusal: str, around: str) -> None:
    assert is_refusal(f"{around}{refusal}{around}")
    assert is_refusal(refusal.upper())


@given(st.text(max_size=60))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert is_refusal(text) in {True, False}


@pytest.mark.parametrize(
    "piece", ["I'm sorry ", "as an ai ", "i'd love to ", "no image ", "i can't identify x ", "the "]
)
def test_a_run_on_text_takes_no_longer_than_its_beginning(piece: str) -> None:
    def taken(times: int) -> float:
        started = time.process_time()
        is_refusal(piece * times)
        return time.process_time() - started

    taken(10)
    assert taken(200_000) < 100 * max(taken(1000), 0.001)
