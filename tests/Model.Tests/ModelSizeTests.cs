namespace ElasticTrain.Model.Tests;

public class ModelSizeTests
{
    [Theory]
    [InlineData("v3", 671.0e9, 36.6e9)]
    [InlineData("v2-lite", 15.7e9, 2.45e9)]
    public void Published_sizes_come_out(string preset, double total, double active)
    {
        var size = new ModelSize(ParameterLayout.Create(ModelConfig.Preset(preset)));
        Assert.Equal(total, size.Total, 0.05e9);
        Assert.Equal(active, size.Active, 0.05e9);
    }

    [Fact]
    public void The_parts_of_a_small_model_add_up()
    {
        ModelConfig tiny = ModelConfig.Preset("tiny");
        var size = new ModelSize(ParameterLayout.Create(tiny));
        long expert = 3L * tiny.HiddenSize * tiny.MoeIntermediateSize, embedding = (long)tiny.VocabSize * tiny.HiddenSize;
        Assert.Equal(size.Total - embedding - (2 * 2 * expert), size.Active); // 2 of 4 experts in 2 layers
        var predicting = new ModelSize(ParameterLayout.Create(tiny with { NumNextnPredictLayers = 1 }));
        Assert.Equal((size.Total, size.Active), (predicting.Total, predicting.Active));
        Assert.InRange(predicting.Prediction, (size.Total - (2 * embedding)) / 3, size.Total / 2); // about one layer more
        Assert.Equal(3 * size.ForwardFlops(64), size.TrainingFlops(64));
    }
}
